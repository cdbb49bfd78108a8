"""Next-state models: sizes, independence of layout, likelihood by hand, tables, what they refuse."""

import math

import numpy as np
import pytest
import torch

from wmlib.lessons.pommerman import encoding, models
from wmlib.lessons.pommerman.data import Batch
from wmlib.lessons.pommerman.models import VectorModel

KINDS = ("none", "window", "lstm", "dnc", "vector", "mixture", "categorical")


@pytest.mark.parametrize("kind", KINDS)
def test_one_call_or_many_streams_together_or_alone_are_the_same(kind, build, shuffled):
    model, places = build(kind), np.array([[3, 4, 5, 6, 7], [150, 151, 152, 153, 154], [60, 61, 62, 63, 64]])
    at_once, _ = model.predict(shuffled.read(places), model.initial_state(3))
    loss, _ = model.loss(shuffled.read(places), model.initial_state(3))
    state, parts = model.initial_state(3), []
    for t in range(5):
        part, state = model.predict(shuffled.read(places[:, t : t + 1]), state)
        parts.append(part)
    assert torch.equal(torch.cat(parts, 1), at_once) and at_once.dtype == torch.uint8
    alone = [model.predict(shuffled.read(p[None]), model.initial_state(1))[0] for p in places]
    assert torch.equal(torch.cat(alone), at_once)
    losses = [model.loss(shuffled.read(p[None]), model.initial_state(1))[0].item() for p in places]
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("kind", ["window", "lstm", "dnc", "vector", "mixture", "categorical"])
def test_a_reset_forgets(kind, build, shuffled):
    model, lives = build(kind), shuffled.views.lives
    batch = shuffled.read(lives[0][None, :6])
    _, state = model.predict(shuffled.read(lives[1][None, :9]), model.initial_state(1))
    fresh, _ = model.predict(batch, model.initial_state(1))
    assert bool(batch.resets[0, 0]) and torch.equal(model.predict(batch, state)[0], fresh)


def test_the_loss_is_the_likelihood_of_the_state(build, shuffled):
    model, batch = build("none"), shuffled.read([[11, 12, 13]])
    parsed, logits, _ = model._logits(batch, model.initial_state(1))
    true = encoding.targets(parsed, encoding.parse(batch.following[0]))
    total = 0.0
    for n in range(3):
        for cell in range(121):
            cell_type = true.cell_types[n, cell].item()
            total -= logits.cells[n, :16, cell].log_softmax(0)[cell_type].item()
            if cell_type >= 7:
                total -= logits.cells[n, 16:, cell].log_softmax(0)[true.blasts[n, cell]].item()
        for i in range(4):
            if true.moves[n, i] >= 0:
                total -= logits.moves[n, i].log_softmax(0)[true.moves[n, i]].item()
        for part, truth in zip(logits.changes[n].split(encoding.CHANGE_CLASSES), true.changes[n], strict=True):
            total -= part.log_softmax(0)[truth].item()
    assert model.loss(batch, model.initial_state(1))[0].item() == pytest.approx(total / 3, rel=1e-5)


def test_tables_are_counted(shuffled):
    batch = shuffled.batch
    now, after = encoding.parse(batch.vectors[0]), encoding.parse(batch.following[0])
    types, blasts = models.count_tables(batch.vectors[0], batch.following[0])
    plain = np.full((16, 16), 0.1)
    for a, b in zip(now.cell_types.flatten().tolist(), after.cell_types.flatten().tolist(), strict=True):
        plain[a, b] += 1
    np.testing.assert_allclose(types.exp(), plain / plain.sum(1, keepdims=True), rtol=1e-4)
    assert blasts.exp().sum(1).allclose(torch.ones(11)) and blasts[3].argmax() == 1  # a bomb keeps its strength


def test_mode_round_and_clip_by_hand(build, shuffled):
    values = torch.zeros(1, 372)
    values[0, [0, 130, 250, 363, 365, 366, 367, 368]] = torch.tensor([13.4, 10.6, 9.7, -3.0, 4.5, 1.2, 0.51, 8.0])
    rounded = models.to_integers(values)[0]
    assert rounded[[0, 130, 250, 363, 365, 366, 367, 368]].tolist() == [13, 10, 9, 0, 4, 2, 1, 9]  # 4.5 rounds to even
    model, batch = build("vector"), shuffled.read([[5, 6]])
    prediction, _ = model._run(batch, model.initial_state(1))
    mixture = prediction.mixture
    tallest = (mixture.logits.log_softmax(-2) - mixture.log_stds).argmax(-2, keepdim=True)
    expected = mixture.means.gather(-2, tallest).squeeze(-2) * model.scale
    assert torch.equal(model.predict(batch, model.initial_state(1))[0], models.to_integers(expected))
    assert mixture.log_stds.min() >= math.log(VectorModel.MIN_STD) - 1e-6


def test_whose_actions_are_known_and_what_is_seen(build, shuffled):
    batch = shuffled.read([[80, 81]], full=True)
    actions = batch.actions.clone()
    actions[..., 1:] = (actions[..., 1:] + 1) % 6
    changed = batch._replace(actions=actions)
    one, oracle = build("none"), build("none", known_actions=4, full=True)
    bare = Batch(*batch[:4])
    start = one.initial_state(1)

    def cells(model, seen):
        return model._logits(seen, start)[1].cells

    assert torch.equal(cells(one, batch), cells(one, changed))
    assert not torch.equal(cells(oracle, batch), cells(oracle, changed))
    assert torch.equal(cells(one, bare), cells(one, batch))
    with pytest.raises(ValueError, match=r"batch\.full: got None"):
        oracle.predict(bare, start)
    with pytest.raises(ValueError, match="known_actions is 2; it must be 1"):
        build("none", known_actions=2)
