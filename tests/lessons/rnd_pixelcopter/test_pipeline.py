"""The runs of notebook 08: what arms differ in, going on to the bit, who chooses a policy, tests on levels of their own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wmlib.agents.advantages import gae, shifted_gae
from wmlib.experiment.run import Run
from wmlib.lessons.rnd_pixelcopter import measures, pipeline
from wmlib.lessons.rnd_pixelcopter.pipeline import AUTHOR, BOTH, EXTRINSIC, INTRINSIC, PAPER, CopterRun, RunConfig

SMALL = {"num_envs": 4, "num_steps": 8, "snapshots": 2, "validation_levels": 3}


def config(view="state", arm=BOTH, updates=4, **more):
    return RunConfig(pipeline.reward_arms(view, 8)[arm], updates, **SMALL | more)


def done(trainer, steps):
    for _ in trainer.run(steps):
        pass
    return trainer


def plain(value):
    """Return a tree without CPU seconds."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items() if name != "cpu_seconds"}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def assert_equal(one, other):
    torch.testing.assert_close(plain(one), plain(other), rtol=0, atol=0, equal_nan=True)


def test_arms_of_rewards_differ_in_what_pays():
    arms = pipeline.reward_arms("state", 8)
    assert {name: (arm.reward_coef, arm.curiosity is not None) for name, arm in arms.items()} == {
        EXTRINSIC: (1.0, False),
        INTRINSIC: (0.0, True),
        BOTH: (2.0, True),
    }
    assert not arms[BOTH].curiosity.episodic and arms[BOTH].curiosity.coef == 1.0
    assert pipeline.reward_arms("state", 8, "third blocks", episodic=True)[BOTH].curiosity.episodic


def test_each_choice_changes_one_thing_and_the_last_arm_all():
    arms = pipeline.choice_arms("pixels", 8)
    assert len(arms) == 1 + 5 + 4 + 1
    paper = arms[PAPER]

    def changes(arm):
        different = {name for name in ("shifted", "fixed_level") if getattr(arm, name) != getattr(paper, name)}
        ours, theirs = vars(arm.curiosity), vars(paper.curiosity)
        return different | {name for name in ours if ours[name] != theirs[name]}

    singles = {name: changes(arms[name]) for name in pipeline.FIVE}
    assert all(len(names) == 1 for names in singles.values())
    for name in set(pipeline.FIVE) - {pipeline.EPISODIC}:
        assert changes(arms[pipeline.pair(name)]) == {"episodic"} | singles[name]
    five = {"episodic", "num_features", "observe", "shifted", "fixed_level"}
    assert set().union(*singles.values()) == five
    assert changes(arms[AUTHOR]) == five | {"predictor_layers", "sample"}
    assert all(arm.reward_coef == 0 for arm in arms.values())


def test_looks_are_early_and_at_the_end():
    assert config(updates=1000, snapshots=6).snapshot_updates() == [1, 7, 48, 333, 667, 1000]
    looks = config(updates=1465, snapshots=24).snapshot_updates()
    assert looks[:3] == [1, 2, 3] and np.diff(looks[-12:]).max() == 123 and len(looks) > 20
    assert config(updates=2, snapshots=6).snapshot_updates() == [1, 2]
    assert config(updates=1, snapshots=2).snapshot_updates() == [1]


def test_where_rewards_are_rare_small_advantages_stay_small():
    floors = {
        name: CopterRun(RunConfig(arm, 1, **SMALL), 0).ppo.config.advantage_std_floor
        for name, arm in (pipeline.sparse_arms(8) | {PAPER: pipeline.choice_arms("state", 8)[PAPER]}).items()
    }
    assert floors.pop(PAPER) == 1e-8 and set(floors.values()) == {0.02}


def test_sparse_arms_are_episodic_but_for_one():
    arms = pipeline.sparse_arms(8)
    episodic = {name: arm.curiosity.episodic for name, arm in arms.items() if arm.curiosity is not None}
    assert episodic == {INTRINSIC: True, BOTH: True, pipeline.BOTH_ON: False}
    assert all(arm.reward == "third blocks" for arm in arms.values())


@pytest.mark.parametrize(
    "of",
    [
        config("state", EXTRINSIC, early_steps=64),
        config("state", BOTH),
        config("pixels", INTRINSIC),
        RunConfig(pipeline.memory_arms()[pipeline.DNC], 4, **SMALL),
    ],
    ids=["reward", "both", "curiosity", "memory"],
)
def test_a_run_that_was_stopped_goes_on_to_the_bit(of):
    whole = done(CopterRun(of, 5), 4)
    half = done(CopterRun(of, 5), 2)
    later = CopterRun(of, 5)
    later.load_state_dict(half.state_dict())
    done(later, 2)
    assert_equal(whole.state_dict(), later.state_dict())
    assert_equal(pipeline.output(whole), pipeline.output(later))


def test_the_author_s_returns_are_used_where_asked_for():
    arms = pipeline.choice_arms("state", 8)
    runs = {name: CopterRun(RunConfig(arms[name], 1, **SMALL), 0) for name in (PAPER, AUTHOR)}
    assert (runs[PAPER].ppo.estimator, runs[AUTHOR].ppo.estimator) == (gae, shifted_gae)
    assert runs[AUTHOR].envs.games.fixed_level and not runs[PAPER].envs.games.fixed_level


def scored(count, score, blocks=0):
    """Return episodes that are equal."""
    return measures.Played(
        np.full(count, score), np.full(count, blocks), np.ones(count, int), np.ones(count, bool), [np.empty(0, int)] * count
    )


def test_no_score_chooses_where_no_reward_is_paid(monkeypatch):
    scores = iter([5.0, 1.0] * 3)

    def play(policy, view, seeds, max_frames, fixed_level=False):
        assert set(seeds) == set(pipeline.VALIDATION + np.arange(3)) and max_frames == 10_000
        return scored(len(seeds), next(scores))

    monkeypatch.setattr(measures, "play", play)
    outputs = {arm: pipeline.output(done(CopterRun(config(arm=arm, updates=2), 1), 2)) for arm in (EXTRINSIC, INTRINSIC, BOTH)}
    assert {arm: output["chosen"]["update"] for arm, output in outputs.items()} == {EXTRINSIC: 1, INTRINSIC: 2, BOTH: 1}


def test_the_best_policy_of_the_first_steps_is_kept_apart(monkeypatch):
    scores = iter([1.0, 5.0, 3.0, 9.0])
    monkeypatch.setattr(measures, "play", lambda policy, view, seeds, *_, **__: scored(len(seeds), next(scores)))
    output = pipeline.output(done(CopterRun(config(arm=EXTRINSIC, snapshots=8, early_steps=3 * 32), 1), 4))
    assert (output["early"]["update"], output["chosen"]["update"]) == (2, 4)
    assert output["early"]["env_steps"] <= 64 and 0 < output["early"]["cpu_seconds"] < output["cpu_seconds"]


def test_what_is_paid_chooses(monkeypatch):
    arm = pipeline.sparse_arms(8)[EXTRINSIC]
    blocks = iter([3, 2])  # the second is paid nothing, whatever the game's own reward is

    def play(policy, view, seeds, max_frames, fixed_level=False):
        passed = next(blocks)
        return scored(len(seeds), -passed, passed)

    monkeypatch.setattr(measures, "play", play)
    assert pipeline.output(done(CopterRun(RunConfig(arm, 2, **SMALL), 1), 2))["chosen"]["update"] == 1


def test_levels_of_training_validation_test_and_search_differ():
    starts = sorted((pipeline.VALIDATION, pipeline.TEST, pipeline.SEARCH, pipeline.SIGHTS, pipeline.TRAINING))
    assert min(np.diff(starts)) >= 1_000_000
    assert pipeline.TRAINING + 2**30 + 4096 <= 2**32


def test_runs_and_tests_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path))
    run = Run("08_rnd_pixelcopter", "smoke", 3, "cpu")
    configs = {arm: config(arm=arm, updates=2) for arm in (EXTRINSIC, INTRINSIC)}
    results = pipeline.run_arms(run, configs, range(2))
    again = pipeline.run_arms(run, configs, range(2))[INTRINSIC][1]
    assert_equal(again["chosen"]["weights"], results[INTRINSIC][1]["chosen"]["weights"])
    tests = pipeline.examine_all(run, results, levels=4)
    assert {name: len(each) for name, each in tests.items()} == {EXTRINSIC: 2, INTRINSIC: 2}
    weights = results[EXTRINSIC][0]["chosen"]["weights"]
    policy = pipeline.load_policy(weights, "state")
    played = measures.play(policy, "state", pipeline.TEST + np.arange(4), 10_000)
    assert np.array_equal(tests[EXTRINSIC][0]["greedy"]["returns"], played.returns)
    fixed = pipeline.examine_all(run, results, levels=4, fixed_level=True)[EXTRINSIC][0]["greedy"]["returns"]
    assert len(set(fixed)) == 1
    ups = pipeline.fly(weights, "state", pipeline.TEST, 10_000)
    assert np.array_equal(ups, played.ups[0])
    coin = pipeline.examine(0.5, "state", 30, 100, False, seed=0)
    assert coin["sampled"]["returns"].mean() == coin["greedy"]["returns"].mean() < -4 and len(coin["replayed"]) == 30


def test_agents_with_a_memory_are_tested_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path))
    run = Run("08_rnd_pixelcopter", "smoke", 3, "cpu")
    arms = pipeline.memory_arms()
    assert [arm.core and arm.core.kind for arm in arms.values()] == [None, "lstm", "dnc"]
    results = pipeline.run_arms(run, {name: RunConfig(arm, 1, **SMALL) for name, arm in arms.items()}, [0])
    assert all(len(test["greedy"]["returns"]) == 4 for (test,) in pipeline.examine_all(run, results, levels=4).values())


def test_a_short_training_learns_to_fly():
    arm = pipeline.reward_arms("state", 8)[EXTRINSIC]
    trainer = done(CopterRun(replace(config(), arm=arm, updates=14, num_envs=64, num_steps=128, validation_levels=50), 0), 14)
    assert trainer.snapshots[-1]["episodes"]["returns"].mean() > 3
