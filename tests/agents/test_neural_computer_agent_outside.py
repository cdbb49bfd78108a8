"""The agent on environments that are not ours, through Gymnasium's interface alone: MiniGrid."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation
from minigrid import wrappers

from wmlib.agents.neural_computer_agent import AgentConfig, NeuralComputerAgent
from wmlib.models.specs import CoreConfig

LEVELS = ("MiniGrid-Empty-6x6-v0", "MiniGrid-SimpleCrossingS9N1-v0")
WALL, GOAL, AGENT = 2, 8, 10  # MiniGrid's numbers of what is in a cell


def planes(grid):
    """Turn MiniGrid's numbers into planes of 0 and 255: wall, goal, and the agent by its direction."""
    kind, direction = grid[..., 0], grid[..., 2]
    shown = [kind == WALL, kind == GOAL, *((kind == AGENT) & (direction == d) for d in range(4))]
    return np.stack(shown, -1).astype(np.uint8) * 255


def live(level):
    env = wrappers.ImgObsWrapper(wrappers.FullyObsWrapper(gymnasium.make(LEVELS[level])))
    height, width, _ = env.observation_space.shape
    return TransformObservation(env, planes, spaces.Box(0, 255, (height, width, 6), np.uint8))


@pytest.mark.parametrize("level", [0, 1])
def test_the_loop_runs_on_minigrid(level):
    config = AgentConfig(
        core=CoreConfig("lstm"), random_episodes=2, first_updates=800, episodes=1, gate_iterations=2, num_dreams=16
    )
    agent = NeuralComputerAgent(lambda _: live(level), 1, lambda *_: False, config, seed=0)
    records = [agent.advance()]
    frames = agent.experience.episodes[-1].frames
    unchanged = (frames[1:] == frames[:-1]).all((1, 2, 3)).mean()
    records += [agent.advance() for _ in range(3)]
    assert [record["stage"] for record in records] == ["explore", "model", "dream", "act"]
    assert agent.live_steps == agent.experience.steps > 0
    assert records[1]["accuracy"] > unchanged + 0.1  # many a move changes nothing, which is easy to predict
