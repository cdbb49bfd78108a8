"""The environment with PettingZoo's interface: its own tests, spaces, ends, seeds, bad use."""

import warnings

import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

from wmlib.envs import pommerman
from wmlib.envs.pommerman.layout import MAX_STEPS, TIE, VARIANTS, WIN


@pytest.mark.parametrize("arguments", [{}, {"variant": "team", "observation": "vector"}])
def test_pettingzoos_own_tests_are_content(arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(pettingzoo.make("parallel", "wmlib/Pommerman-v0", **arguments), num_cycles=120)
        parallel_seed_test(lambda: pommerman.parallel_env(**arguments), num_cycles=40)


@pytest.mark.parametrize("variant", VARIANTS)
def test_observations_are_in_their_space_all_game_long(variant):
    env = pommerman.parallel_env(variant)
    seen, _ = env.reset(seed=2)
    rng = np.random.default_rng(2)
    while env.agents:
        for name, one in seen.items():
            assert one in env.observation_space(name), one
        seen, *_ = env.step({name: int(rng.integers(6)) for name in env.agents})


@pytest.mark.parametrize("variant", ["ffa", "team"])
def test_an_episode_ends_for_all_at_once_with_the_games_rewards(variant):
    env = pommerman.parallel_env(variant, observation="vector")
    outcomes = set()
    for seed in range(12):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        while env.agents:
            # the dead may be left out
            alive = env.state()[847:].reshape(4, 6)[:, 5]
            actions = {name: rng.integers(6) for name, one in zip(env.agents, alive, strict=True) if one}
            seen, rewards, terminated, truncated, infos = env.step(actions)
            assert set(seen) == set(rewards) == set(terminated) == set(env.possible_agents)
            assert len(set(terminated.values())) == 1 and not any(truncated.values())
        info = infos["agent_0"]
        won = [i for i in range(4) if rewards[f"agent_{i}"] == 1]
        assert info.get("winners", []) == won and (info["result"] == WIN) == bool(won)
        outcomes.add(tuple(won))
        with pytest.raises(RuntimeError, match=r"call reset\(\) before step"):
            env.step({})
    assert len(outcomes) > (2 if variant == "ffa" else 1)


def test_the_time_limit_ends_a_game_for_all():
    env = pommerman.parallel_env(observation="vector")
    env.reset(seed=1)
    steps = 0
    while env.agents:
        _, rewards, _, _, infos = env.step(dict.fromkeys(env.agents, 0))
        steps += 1
    assert steps == MAX_STEPS and set(rewards.values()) == {-1} and infos["agent_3"] == {"result": TIE}


def test_episodes_differ_and_repeat_by_seed():
    env = pommerman.parallel_env()
    runs = []
    for seed in (5, 5, 6):
        runs.append([env.reset(seed=s)[0]["agent_0"]["board"].tobytes() for s in (seed, None, None)])
    assert runs[0] == runs[1] != runs[2] and len(set(runs[0])) == 3


def test_bad_use_of_the_environment_is_named():
    for arguments, message in (
        ({"variant": "x"}, "variant: got 'x'"),
        ({"observation": "x"}, "observation: got 'x'; allowed are 'dict', 'vector'"),
        ({"render_mode": "human"}, "render_mode: got 'human'; allowed are None, 'rgb_array', 'ansi'"),
    ):
        with pytest.raises(ValueError, match=message):
            pommerman.parallel_env(**arguments)
    env = pommerman.parallel_env()
    with pytest.raises(RuntimeError, match=r"call reset\(\)"):
        env.step({})
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.state()
    env.reset(seed=1)
    for action in (6, None, 1.5):
        with pytest.raises(ValueError, match=r"actions\['agent_2'\]: got .*; allowed is 0 \(stop\) to 5 \(bomb\)"):
            env.step({"agent_0": 0, "agent_1": 0, "agent_2": action, "agent_3": 0})
