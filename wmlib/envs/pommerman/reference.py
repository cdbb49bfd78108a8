"""Our engine and the reference simulator side by side, where its package `pommerman` is installed. Nothing else needs it.

    python -m wmlib.envs.pommerman.reference        ten games, random actions

Reading guide. `state_of` writes a game of the reference as view B, from the attributes of its environment; `compare` plays
the same actions in both and stops at the first difference.

Source: attribute names as in MultiAgentLearning/playground 0.2.0, for which the comparison is meant.
"""

from typing import Any

import numpy as np

from wmlib.envs.pommerman.games import Games
from wmlib.envs.pommerman.layout import AGENTS, RUNNING, SIZE, VARIANTS
from wmlib.envs.pommerman.views import BOARD, FULL_STATE, from_full_states

NAMES = {"ffa": "PommeFFACompetition-v0", "team": "PommeTeamCompetition-v0", "team_full_view": "PommeTeam-v0"}


def state_of(env: Any) -> np.ndarray:
    """Write the state of a reference environment as view B.

    Args:
        env: the environment, with its `_board`, `_bombs`, `_flames`, `_items` and `_agents`.

    Returns:
        int64 (871,).
    """
    planes = np.zeros((7, SIZE, SIZE), np.int64)
    planes[0] = env._board
    for bomb in env._bombs:
        direction = 0 if bomb.moving_direction is None else int(getattr(bomb.moving_direction, "value", bomb.moving_direction))
        planes[(slice(1, 5), *bomb.position)] = bomb.life, bomb.blast_strength, direction, bomb.bomber.agent_id + 1
    for flame in env._flames:
        planes[(5, *flame.position)] |= 1 << flame.life
    for position, item in env._items.items():
        planes[(6, *position)] = item
    agents = [(*a.position, a.ammo, a.blast_strength, int(a.can_kick), int(a.is_alive)) for a in env._agents]
    return np.concatenate([planes.ravel(), np.ravel(agents)])


def compare(games: int, rng: np.random.Generator, variant: str = "ffa", env: Any = None) -> int:
    """Play random games in both engines.

    Args:
        games: how many, 1 and above.
        rng: draws the actions; boards are the reference's own.
        variant: "ffa", "team" or "team_full_view".
        env: an environment of the reference; made if not given.

    Returns:
        How many steps were equal in state, rewards, done and result.

    Raises:
        ImportError: the package pommerman is not installed.
        AssertionError: a difference; says where.
    """
    env = _make(variant) if env is None else env
    steps = 0
    for game in range(games):
        env.reset()
        ours = Games(1, rng, starts=from_full_states(state_of(env)[None], env._step_count, VARIANTS[variant]))
        while ours.running[0]:
            actions = rng.integers(6, size=(1, AGENTS), dtype=np.uint8)
            _, rewards, done, info = env.step(actions[0].tolist())
            ours.step(actions)
            where = f"game {game}, step {env._step_count}, actions {actions[0].tolist()}"
            different = np.flatnonzero(ours.full_states()[0] != state_of(env))
            assert not len(different), f"{where}: states differ in {different.tolist()} of {FULL_STATE} (planes of {BOARD})"
            outcome = list(rewards), bool(done), int(getattr(info["result"], "value", info["result"]))
            mine = ours.rewards[0].tolist(), bool(ours.results[0] != RUNNING), int(ours.results[0])
            assert outcome == mine, f"{where}: the reference says {outcome}, ours says {mine}"
            steps += 1
    return steps


def _make(variant: str) -> Any:
    try:
        import pommerman
    except ImportError as error:
        raise ImportError("the package pommerman is not installed: see MultiAgentLearning/playground on GitHub") from error
    return pommerman.make(NAMES[variant], [pommerman.agents.BaseAgent() for _ in range(AGENTS)])


if __name__ == "__main__":
    for name in NAMES:
        print(name, compare(10, np.random.default_rng(0), name), "steps, all equal")
