"""PPO without a model and the table of moves: equal rules with the agent, budgets, and shortest ways by hand."""

import numpy as np
import pytest
import torch

from wmlib.agents.policies import ActorCritic
from wmlib.envs.grid.levels import LEVELS, shortest_path
from wmlib.lessons.neural_computer_agent import baselines


def without_time(result):
    return {name: value for name, value in result.items() if name != "cpu_seconds"}


def test_model_free_ppo_plays_levels_in_order_and_stops_at_its_budget():
    tuning = baselines.PPOTuning(16, 3e-3, 0.03)
    played = baselines.play_ppo(tuning, (0, 1), 6, seed=1, max_live_steps=2000)
    assert without_time(played) == without_time(baselines.play_ppo(tuning, (0, 1), 6, seed=1, max_live_steps=2000))
    solved = [at for at in played["solved_at"] if at is not None]
    assert solved == sorted(solved) and len(played["greedy_solved"]) == len(solved)
    assert played["live_steps"] < 2000 + baselines.ENVS * tuning.num_steps


def test_the_search_tries_different_tunings():
    assert len(set(baselines.TUNINGS)) == len(baselines.TUNINGS) == 36
    assert {tuning.lr for tuning in baselines.TUNINGS[:24]} == {3e-3, 1e-2}


def test_a_policy_solves_a_level_by_a_shortest_path_only():
    policy = ActorCritic(baselines._flat_space(6), 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        policy.policy_head.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))  # always down
    assert not baselines.greedy_solves(policy, LEVELS[6][0])


@pytest.mark.parametrize("seed", range(3))
def test_the_table_solves_every_level_within_its_moves(seed):
    levels = tuple(range(7))
    played = baselines.play_table(levels, 6, seed, 10_000)
    assert without_time(played) == without_time(baselines.play_table(levels, 6, seed, 10_000))
    needed = np.diff([0, *played["solved_at"]])
    for level, steps in zip(levels, needed, strict=True):
        free = int((~LEVELS[6][level]).sum())
        assert len(shortest_path(level, 6)) <= steps <= 3 * 4 * free  # each move once, and the ways between


def test_the_table_stops_at_its_budget():
    played = baselines.play_table((0, 5), 6, 0, max_live_steps=120)
    assert played["solved_at"][-1] is None and played["live_steps"] < 120 + 16 * 6


def test_ways_are_shortest_and_lead_to_what_was_not_tried():
    table = {b"a": {0: b"a", 1: b"b"}, b"b": {0: b"c", 1: b"a", 2: b"b", 3: b"d"}, b"c": {0: b"d"}}
    assert baselines._ways(table, b"a") == {b"a": [], b"b": [1], b"c": [1, 0], b"d": [1, 3]}
    rng = np.random.default_rng(0)
    assert {baselines._towards_the_unknown(table, b"a", rng) for _ in range(30)} == {2, 3}  # not tried here
    table[b"a"] |= {2: b"a", 3: b"a"}
    assert baselines._towards_the_unknown(table, b"a", rng) == 1  # by b to c
