"""Rules without a network: each against counting by hand."""

from collections import Counter

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman.baselines import BASELINES, copy, most_common_board, table_of_cells, table_of_values


def test_the_copy_baseline_changes_nothing(played):
    predicted = copy(played.now, played.after).rule(played.now)
    assert np.array_equal(predicted, played.now) and predicted is not played.now


def test_the_most_common_board_has_the_commonest_value_of_each_component(played):
    after = played.after
    predicted = most_common_board(played.now, after).rule(played.now[:5])
    assert predicted.dtype == np.uint8 and predicted.shape == (5, 372) and (predicted == predicted[0]).all()
    proportions = (after == predicted[0]).mean(0)
    assert all(proportions[k] >= (after[:, k] == value).mean() for k in (0, 60, 130, 250, 363, 366) for value in range(14))


def test_the_table_of_values_is_counted(played):
    now, after = played.now, played.after
    pairs = Counter(zip(now[:, :121].ravel().tolist(), after[:, :121].ravel().tolist(), strict=True))
    predicted = table_of_values(now, after).rule(now[:7])
    for a, b in zip(now[:7, :121].ravel().tolist(), predicted[:, :121].ravel().tolist(), strict=True):
        assert pairs[a, b] == max(count for (first, _), count in pairs.items() if first == a)


def test_the_table_of_cells_is_counted(played):
    now, after = played.now, played.after
    lives = Counter()
    for n in range(len(now)):
        for cell in range(121):
            lives[(*now[n, [cell, 121 + cell, 242 + cell]].tolist(), after[n, 242 + cell].item())] += 1
    predicted = table_of_cells(now, after).rule(now[:7])
    for n in range(7):
        for cell in range(0, 121, 5):
            key = now[n, [cell, 121 + cell, 242 + cell]].tolist()
            most = max(count for (*first, _), count in lives.items() if first == key)
            assert lives[(*key, predicted[n, 242 + cell].item())] == most
    assert (predicted[:, 368:] == now[:7, 368:]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_a_rule_predicts_like_a_model(name, played):
    rule = BASELINES[name](played.now, played.after)
    predicted, state = rule.predict(played.read([[3, 4], [9, 10]]), rule.initial_state(2))
    assert state == () and predicted.dtype == torch.uint8 and predicted.shape == (2, 2, 372)
    assert np.array_equal(predicted[1, 0], rule.rule(played.now[9:10])[0])
