"""Descriptions of models: what is built, equal sizes, schedules, what is refused."""

from dataclasses import replace

import pytest
import torch

from wmlib.experiment.fingerprint import describe, digest
from wmlib.lessons.pommerman.configs import ModelConfig, count_for
from wmlib.lessons.pommerman.data import Batch
from wmlib.lessons.pommerman.hidden_numbers import Tracker
from wmlib.lessons.pommerman.models import BoardModel, VectorModel
from wmlib.lessons.pommerman.one_hot import Counts, OneHotModel
from wmlib.models.dnc import DNC
from wmlib.models.feedforward import FeedForward
from wmlib.models.lstm import LSTM
from wmlib.models.specs import CLOSED, CoreConfig

CONFIG = ModelConfig(CoreConfig("feedforward", hidden_size=5, num_slots=4, word_size=3, num_heads=2), channels=3, updates=8)


def make(config):
    return config.build(None, torch.Generator().manual_seed(0))


def test_each_family_with_each_core_is_built():
    feed_forward = make(CONFIG)
    assert isinstance(feed_forward, BoardModel) and isinstance(feed_forward.core, FeedForward)
    assert isinstance(make(CONFIG.with_core(kind="dnc")).core, DNC)
    mdn = make(replace(CONFIG.with_core(kind="lstm"), family="vector", num_components=2))
    assert isinstance(mdn, VectorModel) and isinstance(mdn.model.core, LSTM)
    assert mdn.model.mixture.num_components == 2
    fair = make(replace(CONFIG.with_core(kind="dnc"), family="one-hot", head="categorical"))
    assert isinstance(fair, OneHotModel) and isinstance(fair.core, DNC) and fair.head == "categorical"
    assert isinstance(make(replace(CONFIG.with_core(kind="lstm"), family="tracker")), Tracker)


def test_each_family_counts_what_it_starts_from():
    states = torch.zeros(1, 3, 372, dtype=torch.uint8)
    steps = Batch(states, states, torch.zeros(1, 3, 4, dtype=torch.int64), torch.zeros(1, 3, dtype=torch.bool))
    assert isinstance(count_for("one-hot", steps), Counts)
    types, blasts = count_for("board", steps)
    assert types.shape == (16, 16) and blasts.shape == (11, 9)


def test_the_allocation_gate_starts_as_asked():
    def gate(bias):
        core = make(CONFIG.with_core(kind="dnc", allocation_bias=bias)).core
        return core.biases.get("allocation_gate")

    assert gate(CLOSED) == -3.0 and gate(None) is None


def test_as_many_parameters_as_another():
    dnc, lstm = CONFIG.with_core(kind="dnc"), CONFIG.with_core(kind="lstm")
    large = lstm.as_large_as(dnc)
    hidden_size = large.core.hidden_size
    gaps = [abs(lstm.with_core(hidden_size=h).num_parameters() - dnc.num_parameters()) for h in range(1, 4 * hidden_size)]
    assert gaps.index(min(gaps)) + 1 == hidden_size and large == lstm.with_core(hidden_size=hidden_size)
    assert large.summary() == {"parameters": large.num_parameters(), "hidden_size": hidden_size, "lr": 4e-3}


def test_the_learning_rate_falls_over_the_last_six_tenths():
    config = replace(CONFIG, updates=10, lr=0.1)
    assert [round(config.schedule(step), 4) for step in (0, 4, 7, 9)] == [0.1, 0.1, 0.05, 0.0167]


def test_every_value_is_a_part_of_the_key():
    variants = [replace(CONFIG, training_seed=1), replace(CONFIG, lr=1e-3), CONFIG.with_core(allocation_bias=CLOSED)]
    assert len({digest(describe(config)) for config in (CONFIG, *variants)}) == 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (replace(CONFIG, family="tree"), "family: got 'tree'"),
        (CONFIG.with_core(kind="gru"), "kind: got 'gru'"),
    ],
)
def test_wrong_names_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        make(wrong)
