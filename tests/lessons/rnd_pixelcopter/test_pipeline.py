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
    paper = arms[PAPER]

    def changes(arm):
        different = {name for name in ("shifted", "fixed_level") if getattr(arm, name) != getattr(paper, name)}
        ours, theirs = vars(arm.curiosity), vars(paper.curiosity)
        return different | {name for name in ours if ours[name] != theirs[name]}

    singles = {name: changes(arm) for name, arm in arms.items() if name not in (PAPER, AUTHOR)}
    assert all(len(names) == 1 for names in singles.values())
    five = {"episodic", "num_features", "observe", "shifted", "fixed_level"}
    assert set().union(*singles.values()) == five
    assert changes(arms[AUTHOR]) == five | {"predictor_layers", "sample"}
    assert all(arm.reward_coef == 0 for arm in arms.values())


def test_looks_are_early_and_at_the_end():
    looks = config(updates=1000, snapshots=6).snapshot_updates()
    assert looks[0] == 15 and looks[-1] == 1000 and looks == sorted(set(looks))
    assert config(updates=2, snapshots=6).snapshot_updates() == [1, 2]


@pytest.mark.parametrize(("view", "arm"), [("state", EXTRINSIC), ("state", BOTH), ("pixels", INTRINSIC)])
def test_a_run_that_was_stopped_goes_on_to_the_bit(view, arm):
    whole = done(CopterRun(config(view, arm), 5), 4)
    half = done(CopterRun(config(view, arm), 5), 2)
    later = CopterRun(config(view, arm), 5)
    later.load_state_dict(half.state_dict())
    done(later, 2)
    assert_equal(whole.state_dict(), later.state_dict())
    assert_equal(pipeline.output(whole), pipeline.output(later))


def test_the_author_s_returns_are_used_where_asked_for():
    arms = pipeline.choice_arms("state", 8)
    runs = {name: CopterRun(RunConfig(arms[name], 1, **SMALL), 0) for name in (PAPER, AUTHOR)}
    assert (runs[PAPER].ppo.estimator, runs[AUTHOR].ppo.estimator) == (gae, shifted_gae)
    assert runs[AUTHOR].envs.games.fixed_level and not runs[PAPER].envs.games.fixed_level


def test_no_score_chooses_where_no_reward_is_paid(monkeypatch):
    scores = iter([5.0, 1.0] * 3)

    def play(policy, view, seeds, max_frames, fixed_level=False):
        assert set(seeds) == set(pipeline.VALIDATION + np.arange(3)) and max_frames == 10_000
        count = len(seeds)
        returns = np.full(count, next(scores))
        return measures.Played(
            returns, np.zeros(count, int), np.ones(count, int), np.ones(count, bool), [np.empty(0, int)] * count
        )

    monkeypatch.setattr(measures, "play", play)
    outputs = {arm: pipeline.output(done(CopterRun(config(arm=arm, updates=2), 1), 2)) for arm in (EXTRINSIC, INTRINSIC, BOTH)}
    assert {arm: output["chosen_update"] for arm, output in outputs.items()} == {EXTRINSIC: 1, INTRINSIC: 2, BOTH: 1}


def test_rewards_of_blocks_choose_by_blocks(monkeypatch):
    arm = pipeline.reward_arms("state", 8, "third blocks", episodic=True)[EXTRINSIC]
    blocks = iter([2, 1])

    def play(policy, view, seeds, max_frames, fixed_level=False):
        count = len(seeds)
        passed = np.full(count, next(blocks))
        returns = np.full(count, -passed[0], float)  # the game's own reward would choose the other way
        return measures.Played(returns, passed, np.ones(count, int), np.ones(count, bool), [np.empty(0, int)] * count)

    monkeypatch.setattr(measures, "play", play)
    assert pipeline.output(done(CopterRun(RunConfig(arm, 2, **SMALL), 1), 2))["chosen_update"] == 1


def test_levels_of_training_validation_test_and_search_differ():
    starts = sorted((pipeline.VALIDATION, pipeline.TEST, pipeline.SEARCH, pipeline.SIGHTS, pipeline.TRAINING))
    assert min(np.diff(starts)) >= 1_000_000
    assert pipeline.TRAINING + 2**30 + 4096 <= 2**32


def test_runs_and_tests_are_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path))
    run = Run("08_rnd_pixelcopter", "smoke", 3, "cpu")
    configs = {arm: config(arm=arm, updates=2) for arm in (EXTRINSIC, INTRINSIC)}
    results = pipeline.run_arms(run, configs, range(2))
    assert_equal(pipeline.run_arms(run, configs, range(2))[INTRINSIC][1]["chosen"], results[INTRINSIC][1]["chosen"])
    tests = pipeline.examine_all(run, results, levels=4)
    assert {name: len(each) for name, each in tests.items()} == {EXTRINSIC: 2, INTRINSIC: 2}
    policy = pipeline.load_policy(results[EXTRINSIC][0]["chosen"], "state")
    played = measures.play(policy, "state", pipeline.TEST + np.arange(4), 10_000)
    assert np.array_equal(tests[EXTRINSIC][0]["returns"], played.returns)
    ups = pipeline.fly(results[EXTRINSIC][0]["chosen"], "state", pipeline.TEST, 10_000)
    assert np.array_equal(ups, played.ups[0])
    drawn = pipeline.examine(None, "state", 30, 100, False, seed=0)
    assert drawn["sampled"] == drawn["returns"].mean() < -4 and drawn["kinds"].sum() == pytest.approx(1)


def test_a_short_training_learns_to_fly():
    arm = pipeline.reward_arms("state", 8)[EXTRINSIC]
    trainer = done(CopterRun(replace(config(), arm=arm, updates=14, num_envs=64, num_steps=128, validation_levels=50), 0), 14)
    assert trainer.snapshots[-1]["validation"] > 3
