"""Next-state models: sizes, independence of layout, likelihood by hand, tables, what they learn, what they refuse."""

import math

import numpy as np
import pytest
import torch

from wmlib.envs.pommerman import Games, act
from wmlib.lessons.pommerman import encoding as code
from wmlib.lessons.pommerman import models as board_model
from wmlib.lessons.pommerman import data as prediction_training
from wmlib.lessons.pommerman.models import Batch, BoardModel, VectorModel, Window
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.lessons.pommerman.data import Record


def play(count=6, steps=70, seed=5):
    """A short record of careless games, all cut at one length or at their end."""
    rng = np.random.default_rng(seed)
    games = Games(count, rng, starts=count)
    states, actions, going = [[] for _ in range(count)], [[] for _ in range(count)], np.ones(count, bool)
    for _ in range(steps):
        now, chosen = games.full_states(), act(games.rows, rng, "chaos")
        for g in np.flatnonzero(going):
            states[g].append(now[g])
            actions[g].append(chosen[g])
        going &= games.running
        games.step(chosen)
    starts = np.cumsum([0, *map(len, states)])
    return Record(np.concatenate([np.stack(s) for s in states]), np.concatenate([np.stack(a) for a in actions]), starts)


RECORD = play()
OF = prediction_training.views(RECORD, range(4), np.random.default_rng(0))
CORE = BoardModel.CORE_INPUTS


def build(kind, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    if kind == "vector":
        return VectorModel(LSTM(378, 7, generator=generator), 3, generator=generator, **options)
    if kind == "lstm":
        core = LSTM(CORE, 7, generator=generator)
    elif kind == "dnc":
        core = DNC(CORE, 7, 5, 3, 2, generator=generator)
    else:
        core = Window(CORE, 7, generator=generator)
        options["window"] = kind == "window"
    return BoardModel(core, 5, board_model.uniform_tables(), generator=generator, **options)


def some(places, full=False):
    return prediction_training.batch(RECORD, OF, np.asarray(places), full)


KINDS = ("none", "window", "lstm", "dnc", "vector")


@pytest.mark.parametrize("kind", KINDS)
def test_one_call_or_many_streams_together_or_alone_are_the_same(kind):
    model, places = build(kind), np.array([[3, 4, 5, 6, 7], [150, 151, 152, 153, 154], [60, 61, 62, 63, 64]])
    whole, _ = model.predict(some(places), model.initial_state(3))
    loss, _ = model.loss(some(places), model.initial_state(3))
    state, parts = model.initial_state(3), []
    for t in range(5):
        part, state = model.predict(some(places[:, t : t + 1]), state)
        parts.append(part)
    assert torch.equal(torch.cat(parts, 1), whole) and whole.dtype == torch.uint8
    alone = [model.predict(some(p[None]), model.initial_state(1))[0] for p in places]
    assert torch.equal(torch.cat(alone), whole)
    losses = [model.loss(some(p[None]), model.initial_state(1))[0].item() for p in places]
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("kind", ["window", "lstm", "dnc", "vector"])
def test_a_reset_forgets(kind):
    model, life = build(kind), OF.lives[0]
    batch = some(life[None, :6])
    _, state = model.predict(some(OF.lives[1][None, :9]), model.initial_state(1))
    fresh, _ = model.predict(batch, model.initial_state(1))
    assert bool(batch.resets[0, 0]) and torch.equal(model.predict(batch, state)[0], fresh)


def test_the_loss_is_the_likelihood_of_the_state():
    model, batch = build("none"), some([[11, 12, 13]])
    reading, cells, moves, own, _ = model._logits(batch, ())
    true = code.targets(reading, code.read(batch.following[0]))
    total = 0.0
    for n in range(3):
        for cell in range(121):
            thing = true.things[n, cell].item()
            total -= cells[n, :16, cell].log_softmax(0)[thing].item()
            if thing >= 7:
                total -= cells[n, 16:, cell].log_softmax(0)[true.blasts[n, cell]].item()
        for i in range(4):
            if true.moves[n, i] >= 0:
                total -= moves[n, i].log_softmax(0)[true.moves[n, i]].item()
        for part, truth in zip(own[n].split(code.OWN_CHANGES), true.own[n], strict=True):
            total -= part.log_softmax(0)[truth].item()
    assert model.loss(batch, ())[0].item() == pytest.approx(total / 3, rel=1e-5)


def test_tables_are_counted():
    batch = some(np.arange(len(OF.rows))[None])
    now, after = code.read(batch.vectors[0]), code.read(batch.following[0])
    things, blasts = board_model.count_tables(batch.vectors[0], batch.following[0])
    plain = np.full((16, 16), 0.1)
    for a, b in zip(now.things.flatten().tolist(), after.things.flatten().tolist(), strict=True):
        plain[a, b] += 1
    np.testing.assert_allclose(things.exp(), plain / plain.sum(1, keepdims=True), rtol=1e-4)
    assert blasts.exp().sum(1).allclose(torch.ones(11)) and blasts[3].argmax() == 1  # a bomb keeps its strength


def test_mode_round_and_clip_by_hand():
    values = torch.zeros(1, 372)
    values[0, [0, 130, 250, 363, 365, 366, 367, 368]] = torch.tensor([13.4, 10.6, 9.7, -3.0, 4.5, 1.2, 0.51, 8.0])
    said = board_model.to_integers(values)[0]
    assert said[[0, 130, 250, 363, 365, 366, 367, 368]].tolist() == [13, 10, 9, 0, 4, 2, 1, 9]  # 4.5 rounds to even
    model, batch = build("vector"), some([[5, 6]])
    prediction, _ = model._run(batch, model.initial_state(1))
    mixture = prediction.mixture
    tallest = (mixture.logits.log_softmax(-2) - mixture.log_stds).argmax(-2, keepdim=True)
    expected = mixture.means.gather(-2, tallest).squeeze(-2) * model.scale
    assert torch.equal(model.predict(batch, model.initial_state(1))[0], board_model.to_integers(expected))
    assert mixture.log_stds.min() >= math.log(VectorModel.MIN_STD) - 1e-6


def test_differences_of_nothing_are_a_copy():
    model, batch = build("vector", difference=True), some([[40, 41, 42]])
    head = model.model.mixture.linear
    head.weight.detach().zero_()
    head.bias.detach().zero_()
    assert torch.equal(model.predict(batch, model.initial_state(1))[0], batch.vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_training_lowers_the_loss(kind):
    model = build(kind)
    trainer = prediction_training.Trainer(
        model, OF.resets, lambda places: some(places), generator=torch.Generator().manual_seed(0), batch=3, length=5,
        learning_rate=1e-2,
    )  # fmt: skip
    losses = list(trainer.run(25))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2


def test_who_is_known_and_what_is_seen():
    batch = some([[80, 81]], full=True)
    others = batch.actions.clone()
    others[..., 1:] = (others[..., 1:] + 1) % 6
    changed = batch._replace(actions=others)
    own, everybody = build("none"), build("none", known=4, full=True)
    assert torch.equal(own._logits(batch, ())[1], own._logits(changed, ())[1])
    assert not torch.equal(everybody._logits(batch, ())[1], everybody._logits(changed, ())[1])
    bare = Batch(*batch[:4])
    assert torch.equal(own._logits(bare, ())[1], own._logits(batch, ())[1])
    with pytest.raises(ValueError, match="known is 2; it must be 1"):
        build("none", known=2)


@pytest.mark.parametrize("kind", ["lstm", "dnc", "window"])
def test_stop_and_go_on_is_the_same_to_the_bit(kind):
    def trainer(seed):
        rng = torch.Generator().manual_seed(seed)
        return prediction_training.Trainer(build(kind, seed), OF.resets, some, generator=rng, batch=3, length=4)

    straight, first, second = trainer(0), trainer(0), trainer(1)
    expected = list(straight.run(9))
    before = list(first.run(5))
    second.load_state_dict(first.state_dict())
    assert before + list(second.run(4)) == expected and second.step == 9


def test_views_are_the_lives_of_the_living():
    found = prediction_training.views(RECORD, [1, 2])
    expected = []
    for game in (1, 2):
        for agent in range(4):
            for row in range(RECORD.starts[game], RECORD.starts[game + 1] - 1):
                if RECORD.states[row, 7 * 121 + 6 * agent + 5]:
                    expected.append((row, agent, game))
    assert list(zip(found.rows, found.agents, found.games, strict=True)) == expected
    assert [OF.rows[life[0]] in RECORD.starts for life in OF.lives] == [True] * len(OF.lives)
    batch = prediction_training.batch(RECORD, found, np.array([[0, 1]]))
    assert batch.actions[0, 0].tolist() == RECORD.actions[found.rows[0]].tolist()
    last = len(found.rows) - 1  # of agent 3 or another: its own action comes first
    agent = found.agents[last]
    acts = prediction_training.batch(RECORD, found, np.array([[last]])).actions[0, 0].tolist()
    assert acts[0] == RECORD.actions[found.rows[last], agent] and sorted(acts) == sorted(RECORD.actions[found.rows[last]])
    with pytest.raises(ValueError, match="games: got none"):
        prediction_training.views(RECORD, [])
    with pytest.raises(ValueError, match="batch, length: got 900, 900"):
        prediction_training.Trainer(build("none"), OF.resets, some, generator=torch.Generator(), batch=900, length=900)
