"""Training on the cue corridor: episodes, the curriculum, resuming, the walk by predicted rewards, and what is counted."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from wmlib.envs.grid.cue_corridor import CueCorridorVector
from wmlib.experiment.cache import ArtifactCache
from wmlib.lessons.neural_computer_agent import corridor
from wmlib.lessons.neural_computer_agent.corridor import CorridorTrainer, CorridorTraining, play
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CoreConfig

DNC = CoreConfig("dnc", hidden_size=8, num_slots=6, word_size=4)
LRS = dict.fromkeys(corridor.ARMS, 5e-3)


def training(core=DNC, levels=((1, 1), (2, 1)), updates=30, batch_size=2, **options):
    return CorridorTraining(core, levels, updates, lr=5e-3, batch_size=batch_size, **options)


class Remembering:
    """A model with a perfect memory: its state is the symbols shown and not yet asked for, (B, cues)."""

    def remember(self, frames, actions, state, before):
        signs = frames[:, :, :, 0].sum(2)[..., ::2].argmax(-1)  # which pair of pixels of the first row is lit, (B, T)
        return frames, signs

    def see(self, frames, before, state):
        return state[:, :1], state[:, 1:]

    def outcome(self, frames, memory, actions):
        return frames, (memory[:, 0] == actions).float(), None


@pytest.fixture
def run(tmp_path):
    """What training needs of a Run."""
    return SimpleNamespace(cache=ArtifactCache(tmp_path / "cache"), seed=1)


@pytest.fixture
def perfect(monkeypatch):
    """Checks that always find the level mastered."""
    monkeypatch.setattr(corridor, "play", lambda model, level, cues: SimpleNamespace(success=np.ones(4)))


def test_random_episodes_are_those_of_the_environment():
    level = (3, 2)
    vector = CueCorridorVector(4, level)
    episodes = corridor.random_episodes(vector, np.random.default_rng(3))
    vector.reset(seed=int(_second_draw(np.random.default_rng(3), vector)))
    env = gymnasium.make("wmlib/CueCorridor-v0", level=level)
    for i in range(4):
        frame, _ = env.reset(options={"cues": vector.cues[i]})
        for t in range(8):
            assert torch.equal(episodes.frames[i, t], torch.from_numpy(frame).permute(2, 0, 1) / 255)
            frame, reward, done, _, _ = env.step(int(episodes.actions[i, t]))
            assert (episodes.rewards[i, t].item(), episodes.done[i, t].item()) == (reward, done)
        assert torch.equal(episodes.frames[i, 8], torch.from_numpy(frame).permute(2, 0, 1) / 255)


def _second_draw(rng, vector):
    rng.integers(vector.symbols, size=(vector.num_envs, 8))
    return rng.integers(2**31)


def test_a_perfect_memory_opens_every_door():
    cues = corridor.draw_cues((4, 3), 20, np.random.default_rng(0))
    walk = play(Remembering(), (4, 3), cues)
    assert walk.success.all() and np.array_equal(walk.choices, cues) and walk.rewards.sum() == cues.size
    assert walk.frames.shape == (20, 11, 3, 8, 8) and walk.actions[:, :7].eq(0).all()


def test_an_edit_is_made_before_the_first_door():
    cues = np.array([[0, 1, 2], [3, 3, 1]])
    walk = play(Remembering(), (3, 1), cues, lambda state: state[:, [1, 0, 2]])
    assert walk.choices.tolist() == [[1, 0, 2], [3, 3, 1]] and walk.success.tolist() == [False, True]
    assert walk.rewards.tolist() == [[0, 0, 1], [1, 1, 1]]


@torch.no_grad()
def test_expected_rewards_are_those_of_the_model():
    model = training().build(torch.Generator().manual_seed(0))
    walk = play(model, (2, 1), np.array([[0, 1], [2, 3], [1, 1]]))
    prediction, _ = model(walk.frames, walk.actions)
    chosen = np.take_along_axis(walk.expected, walk.choices[..., None], 2)[..., 0]
    np.testing.assert_allclose(chosen, prediction.reward[:, 3:].numpy(), rtol=1e-4, atol=1e-5)
    assert (chosen == walk.expected.max(2)).all()


@pytest.mark.parametrize("kind", ["dnc", "lstm", "feedforward"])
def test_a_training_goes_on_to_the_same_bits(kind):
    core = CoreConfig(kind, hidden_size=8, num_slots=6, word_size=4)
    whole = CorridorTrainer(training(core), 1)
    for _ in whole.run(27):  # a check is among them
        pass
    first = CorridorTrainer(training(core), 1)
    for _ in first.run(13):
        pass
    second = CorridorTrainer(training(core), 1)
    second.load_state_dict(first.state_dict())
    for _ in second.run(14):
        pass
    assert (second.step, second.stage, second.checks) == (whole.step, whole.stage, whole.checks)
    assert len(whole.checks) == 1
    for ours, theirs in zip(second.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_other_seeds_are_other_trainings():
    trainers = [CorridorTrainer(training(), *names) for names in ((1, 0), (1, 1), (2, 0), (1, "search"))]
    weights = {trainer.model.vector.weight[0, 0].item() for trainer in trainers}
    assert len(weights) == 4


def test_a_level_ends_when_its_updates_are_used_up():
    trainer = CorridorTrainer(training(updates=3), 1)
    stages = []
    for _ in trainer.run(11):
        stages.append(trainer.stage)
    assert stages == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3] and trainer.updates.tolist() == [3, 3, 3] and trainer.step == 11


@pytest.mark.usefixtures("perfect")
def test_a_level_ends_when_it_is_mastered_and_nothing_is_trained_after_the_revision():
    trainer = CorridorTrainer(training(levels=((1, 1),), updates=60), 1)
    for _ in trainer.run(75):
        pass
    assert trainer.stage == 2 and trainer.checks == [(25, 0, 1.0), (75, 1, 1.0)]
    before = trainer.model.vector.weight.clone()
    for _ in trainer.run(5):
        pass
    assert torch.equal(before, trainer.model.vector.weight) and trainer.updates.tolist() == [25, 50] and trainer.step == 80


def test_the_revision_ends_when_all_levels_are_mastered_at_once(monkeypatch):
    success = {(1, 1): 1.0, (2, 1): 0.5}
    monkeypatch.setattr(corridor, "play", lambda model, level, cues: SimpleNamespace(success=np.full(4, success[level])))
    trainer = CorridorTrainer(training(updates=50), 1)
    for _ in trainer.run(25 + 50 + 50):
        pass
    assert trainer.checks == [(25, 0, 1.0), (50, 1, 0.5), (75, 1, 0.5), (125, 2, 0.5)]


def test_earlier_levels_come_back(monkeypatch):
    seen = []
    draw = corridor.random_episodes
    monkeypatch.setattr(corridor, "random_episodes", lambda env, rng: (seen.append(env.levels[0]), draw(env, rng))[1])
    trainer = CorridorTrainer(training(levels=((1, 1), (2, 1), (2, 2)), updates=24), 1)
    for _ in trainer.run(96):
        pass
    assert (
        set(seen[:24]) == {(1, 1)}
        and set(seen[24:48]) == {(1, 1), (2, 1)}
        and len(set(seen[48:72])) == len(set(seen[72:])) == 3
    )
    assert sum(level == (2, 2) for level in seen[48:72]) > 12 > sum(level == (2, 2) for level in seen[72:])


def test_curriculum():
    assert corridor.curriculum(6) == ((1, 1), (2, 1), (3, 1), (4, 1), (6, 1))
    assert corridor.curriculum(2, 4) == ((1, 1), (2, 1), (2, 2), (2, 4))
    with pytest.raises(ValueError, match="cues: got 5; allowed are 1, 2, 3, 4, 6, 8, 12"):
        corridor.curriculum(5)
    with pytest.raises(ValueError, match="length: got 3; allowed are 1, 2, 4"):
        corridor.curriculum(4, 3)


def test_arms_are_of_equal_size_and_differ_in_the_core_alone():
    made = corridor.arms(CoreConfig("dnc"), {**LRS, "feed-forward": 1e-3}, levels=((1, 1),), updates=5)
    sizes = [num_parameters(made[name].build(torch.Generator().manual_seed(0))) for name in corridor.ARMS]
    assert abs(sizes[2] / sizes[0] - 1) < 0.005 and sizes[3] < sizes[1] < sizes[0]
    assert made["LSTM, equal hidden size"].core.hidden_size == 64 < made["LSTM, equal parameters"].core.hidden_size
    assert [made[name].lr for name in corridor.ARMS] == [5e-3, 5e-3, 5e-3, 1e-3]
    assert len({(one.levels, one.updates, one.batch_size, one.max_grad_norm) for one in made.values()}) == 1


def test_arms_are_trained_and_measured(run):
    made = corridor.arms(DNC, LRS, levels=((1, 1), (2, 1)), updates=2, batch_size=2)
    seeds = dict.fromkeys(corridor.ARMS, 1) | {"DNC": 2}
    results = corridor.compare(run, made, seeds, [(1, 1), (2, 1), (2, 2)], episodes=6, block=3)
    assert list(results) == list(corridor.ARMS)
    assert results["DNC"]["success"].shape == (2, 3) and results["feed-forward"]["success"].shape == (1, 3)
    assert results["DNC"]["updates"].tolist() == [[2, 2, 2], [2, 2, 2]]
    trainer = CorridorTrainer(made["DNC"], 1, 1)
    for _ in trainer.run(6):
        pass
    assert torch.equal(results["DNC"]["models"][1].vector.weight, trainer.model.vector.weight)
    expected = corridor.measure(trainer.model, [(1, 1), (2, 1), (2, 2)], 1, 6)
    assert np.array_equal(results["DNC"]["success"][1], expected)


def test_the_search_takes_the_best_rate_and_of_equals_the_quickest(run, monkeypatch):
    success = {1e-3: 0.2, 1e-2: 0.9, 3e-2: 0.9}
    updates = {1e-3: 40, 1e-2: 70, 3e-2: 50}
    monkeypatch.setattr(corridor, "train", lambda run, tried, block: [{"updates": np.array([updates[t.lr]])} for t, _ in tried])
    monkeypatch.setattr(corridor, "restore", lambda one, result: one.lr)
    monkeypatch.setattr(
        corridor, "cached_map", lambda cache, function, calls, *_, **__: [np.array([success[c["model"]]]) for c in calls]
    )
    made = corridor.arms(DNC, LRS, levels=((1, 1),), updates=2)
    found = corridor.search(run, made, [1e-3, 1e-2, 3e-2], cues=2, updates=50, block=10)
    assert {name: row["best"] for name, row in found.items()} == dict.fromkeys(corridor.ARMS, 3e-2)
    assert found["DNC"]["success"].tolist() == [0.2, 0.9, 0.9] and found["DNC"]["updates"].tolist() == [40, 70, 50]


def test_it_learns_one_cue():
    trainer = CorridorTrainer(CorridorTraining(CoreConfig("lstm", 24), ((1, 1),), 300, lr=1e-2), 1)
    for _ in trainer.run(300):
        if trainer.stage:
            break
    assert trainer.stage == 1 and trainer.checks[-1][2] >= corridor.MASTERED
