"""Pommerman with PettingZoo's parallel interface: one game, four agents that act at the same time."""

from numbers import Integral
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from wmlib.envs.pommerman.boards import start_rows
from wmlib.envs.pommerman.drawing import picture, text
from wmlib.envs.pommerman.games import Games
from wmlib.envs.pommerman.layout import AGENT, AGENTS, DUMMY, MAX_STEPS, MOST, RUNNING, SIZE, WIN, variant_named
from wmlib.envs.pommerman.views import FEATURES, observations

NAMES = [f"agent_{i}" for i in range(AGENTS)]
OBSERVATIONS = ("dict", "vector")
RENDER_MODES = (None, "rgb_array", "ansi")


class Pommerman(ParallelEnv):
    """Blow up walls and opponents, and be the last one (or the last team) alive.

    ## Action space
    `Discrete(6)`: 0 stop, 1 up, 2 down, 3 left, 4 right, 5 lay a bomb. Agents are "agent_0" … "agent_3", starting in the
    corners top left, bottom left, bottom right, top right. In team games 0 and 2 play against 1 and 3.

    ## Observation space
    `observation="dict"`: the reference's dictionary, see `views.observations`; `alive` is a tuple.
    `observation="vector"`: `Box(0, 13, (372,), uint8)`, view A of `views`.

    ## Rewards
    Free-for-all: 0 a step; -1 for the dead, in every further step; at the end 1 for the only one alive and -1 for the others.
    Team: 0 a step; at the end 1 for the winners and -1 for the losers, whether alive or dead. -1 for everybody if nobody is
    left or after 800 steps.

    ## Starting state
    A board drawn anew (`boards`); all have one bomb of blast strength 2 and cannot kick. `reset(seed=s)` makes the boards of
    this and all following episodes depend on s alone.

    ## Episode end
    Termination, for all four at once: one agent at most (one team at most) is alive, or 800 steps are over. There is no
    truncation: the limit is a rule of the game, with rewards of its own. The dead stay among `agents`: they are shown the
    game and rewarded until it ends, as in the reference, and their actions do nothing and may be left out. `infos` has, for
    each agent, `result` (0 won, 2 tie, 3 running) and once it is won `winners` (numbers).

    ## Arguments
    | argument | default | meaning |
    |---|---|---|
    | variant | "ffa" | "ffa" free-for-all; "team" two against two, view of 9 x 9 cells in fog, blast strength up to 4; \
"team_full_view" |
    | observation | "dict" | or "vector" |
    | render_mode | None | "rgb_array" or "ansi" |

    Source: the rules (`RULES.md`) are those of the reference: PommeFFACompetition-v0, PommeTeamCompetition-v0, PommeTeam-v0.
    Differs: its interface is one list for all agents; boards depend on the seed; no radio, collapsing or one-against-one.

    Example:
        >>> env = Pommerman(observation="vector")
        >>> seen, _ = env.reset(seed=1)
        >>> seen, rewards, terminations, truncations, infos = env.step(dict.fromkeys(env.agents, 5))  # four bombs
        >>> seen["agent_0"].shape, rewards["agent_0"], infos["agent_0"]
        ((372,), 0.0, {'result': 3})
    """

    metadata = {"name": "pommerman_v0", "render_modes": ["rgb_array", "ansi"], "render_fps": 6}  # noqa: RUF012, their form

    def __init__(self, variant: str = "ffa", observation: str = "dict", render_mode: str | None = None) -> None:
        variant_named(variant)
        if observation not in OBSERVATIONS:
            raise ValueError(f"observation: got {observation!r}; allowed are {', '.join(map(repr, OBSERVATIONS))}")
        if render_mode not in RENDER_MODES:
            raise ValueError(f"render_mode: got {render_mode!r}; allowed are {', '.join(map(repr, RENDER_MODES))}")
        self.variant, self.observation, self.render_mode = variant, observation, render_mode
        self.possible_agents = list(NAMES)
        self.agents: list[str] = []
        space = _dictionary_space if observation == "dict" else lambda: spaces.Box(0, 13, (FEATURES,), np.uint8)
        self.observation_spaces = {name: space() for name in NAMES}
        self.action_spaces = {name: spaces.Discrete(6) for name in NAMES}
        self._rng: np.random.Generator | None = None
        self._games: Games | None = None

    def observation_space(self, agent: str) -> spaces.Space:
        """Return the space of what an agent sees, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Return the space of an agent's actions, always the same object."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start an episode; without a seed the next one of the environment's own generator."""
        if seed is not None and not (isinstance(seed, Integral) and seed >= 0):
            raise ValueError(f"seed: got {seed!r}; allowed is a whole number, 0 and above, or None")
        if seed is not None or self._rng is None:
            self._rng = np.random.default_rng(seed)
        self._games = Games(1, self._rng, starts=start_rows(1, self._rng, self.variant))
        self.agents = list(NAMES)
        return self._see(), {name: {"result": RUNNING} for name in NAMES}

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        """Play one step.

        Raises:
            ValueError: the action of a living agent is missing, or one is not in the action space.
            RuntimeError: the episode is over, or there is none.
        """
        if not self.agents:
            raise RuntimeError("the episode is over or has not begun: call reset() before step()")
        games = self._game()
        games.step(np.array([[self._action(i, name, actions) for i, name in enumerate(NAMES)]], np.uint8))
        result = int(games.results[0])
        info: dict[str, Any] = {"result": result}
        if result == WIN:
            info["winners"] = np.flatnonzero(games.rewards[0] == 1).tolist()
        if result != RUNNING:
            self.agents = []
        rewards = dict(zip(NAMES, games.rewards[0].astype(float).tolist(), strict=True))
        over = dict.fromkeys(NAMES, result != RUNNING)
        return self._see(), rewards, over, dict.fromkeys(NAMES, False), {name: dict(info) for name in NAMES}

    def state(self) -> np.ndarray:
        """Return the whole state, hidden items included, uint8 (871,): view B of `views`."""
        return self._game().full_states()[0]

    def render(self) -> np.ndarray | str | None:
        """Return a picture uint8 (220, 220, 3) or text, by render_mode; None without one."""
        if self.render_mode is None:
            return None
        row = self._game().rows[0]
        return picture(row) if self.render_mode == "rgb_array" else text(row, colour=True)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _game(self) -> Games:
        if self._games is None:
            raise RuntimeError("there is no game yet: call reset() first")
        return self._games

    def _action(self, i: int, name: str, actions: dict[str, int]) -> int:
        if name not in actions and not self._game().fields["agents"]["alive"][0, i]:
            return 0
        action = actions.get(name)
        if action is None or action not in self.action_spaces[name]:
            raise ValueError(f"actions[{name!r}]: got {action!r}; allowed is 0 (stop) to 5 (bomb), for every living agent")
        return int(action)

    def _see(self) -> dict[str, Any]:
        if self.observation == "vector":
            return dict(zip(NAMES, self._game().features()[0], strict=True))
        seen: list[dict[str, Any]] = observations(self._game().rows[0])
        return {name: {**one, "alive": tuple(one["alive"])} for name, one in zip(NAMES, seen, strict=True)}


def _dictionary_space() -> spaces.Dict:
    codes = spaces.Discrete(AGENT + AGENTS - DUMMY, start=DUMMY)
    planes = {"bomb_blast_strength": MOST, "bomb_life": 9, "bomb_moving_direction": 4, "flame_life": 3}
    return spaces.Dict(
        {
            "alive": spaces.Sequence(spaces.Discrete(AGENTS, start=AGENT)),
            "board": spaces.Box(0, AGENT + AGENTS - 1, (SIZE, SIZE), np.uint8),
            **{name: spaces.Box(0, most, (SIZE, SIZE), np.float64) for name, most in planes.items()},
            "game_type": spaces.Discrete(2, start=1),
            "game_env": spaces.Text(64, charset="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_"),
            "position": spaces.MultiDiscrete([SIZE, SIZE]),
            "blast_strength": spaces.Discrete(MOST + 1),
            "can_kick": spaces.Discrete(2),
            "ammo": spaces.Discrete(MOST + 1),
            "teammate": codes,
            "enemies": spaces.MultiDiscrete([AGENT + AGENTS - DUMMY] * 3, start=[DUMMY] * 3),
            "step_count": spaces.Discrete(MAX_STEPS + 1),
        }
    )


def parallel_env(variant: str = "ffa", observation: str = "dict", render_mode: str | None = None) -> Pommerman:
    """Make the environment, as PettingZoo's modules do; see `Pommerman`.

    Example:
        >>> from wmlib.envs import pommerman
        >>> env = pommerman.parallel_env("team")
        >>> env.possible_agents
        ['agent_0', 'agent_1', 'agent_2', 'agent_3']
    """
    return Pommerman(variant, observation, render_mode)
