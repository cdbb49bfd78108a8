"""The runs of notebook 07 on grids: the agent with each core; what it is measured against is in `baselines`.

Reading guide. `AgentRun` is one run of the agent, stage by stage, with what is measured beside it; `run_agents` brings many of
them to their end, in parallel and resumable.

"Solved" is the same for all: the greedy policy takes the shortest path. Greedy tests cost no live steps, for all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from wmlib.agents.neural_computer_agent import AgentConfig, NeuralComputerAgent
from wmlib.envs.grid.levels import LEVELS, MOVES, shortest_path
from wmlib.envs.grid.navigation import GridNavigation, draw
from wmlib.experiment import seeding
from wmlib.lessons.neural_computer_agent import measures
from wmlib.models.frame_model import FrameModel
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CoreConfig, equal_hidden
from wmlib.training.jobs import Job, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

DNC, LSTM, LSTM_EQUAL, FEEDFORWARD = "DNC", "LSTM", "LSTM, equal parameters", "feed-forward"
ARMS = (DNC, LSTM, LSTM_EQUAL, FEEDFORWARD)
STAGES_A_ROUND = 3  # model, dream, act; exploring comes once a level


@dataclass(frozen=True)
class RunConfig:
    """Describe one run of the agent.

    Args:
        agent: numbers of the loop.
        levels: numbers of the levels, in the order in which they are met.
        size: S, of the grid.
        max_rounds: of the loop, on all levels together.
        max_live_steps: when so many have been played, the run is over.
    """

    agent: AgentConfig = field(default_factory=AgentConfig)
    levels: tuple[int, ...] = (0, 1, 2, 3)
    size: int = 6
    max_rounds: int = 40
    max_live_steps: int = 20_000

    @property
    def stages(self) -> int:
        """Stages at most."""
        return STAGES_A_ROUND * self.max_rounds + len(self.levels)


def cores(settings: Any) -> dict[str, CoreConfig]:
    """Return the core of each arm; the second LSTM makes a model of as many parameters as the DNC's, or nearly as many."""
    dnc = CoreConfig("dnc", settings.hidden_size, settings.num_slots, settings.word_size, settings.num_heads)

    def parameters(core: CoreConfig) -> FrameModel:
        return FrameModel(core, (3, settings.size, settings.size), len(MOVES), generator=torch.Generator())

    equal = equal_hidden(num_parameters(parameters(dnc)), lambda hidden_size: parameters(CoreConfig("lstm", hidden_size)))
    return {
        DNC: dnc,
        LSTM: CoreConfig("lstm", settings.hidden_size),
        LSTM_EQUAL: CoreConfig("lstm", equal),
        FEEDFORWARD: CoreConfig("feedforward", settings.hidden_size),
    }


def run_configs(settings: Any, replay: str, core_dropout: float = AgentConfig.core_dropout) -> dict[str, RunConfig]:
    """Return the runs of notebook 07 by arm.

    Args:
        settings: the notebook's, resolved.
        replay: "all" or "newest".
        core_dropout: see `AgentConfig`.
    """
    base = AgentConfig(
        first_updates=settings.first_updates,
        updates=settings.updates,
        gate_iterations=min(AgentConfig.gate_iterations, settings.max_iterations),
        max_iterations=settings.max_iterations,
        dream_horizon=settings.dream_horizon,
    )
    levels = tuple(range(settings.levels))
    return {
        arm: RunConfig(
            replace(base, core=core, replay=replay, core_dropout=core_dropout),
            levels,
            settings.size,
            settings.max_rounds,
            settings.max_live_steps,
        )
        for arm, core in cores(settings).items()
    }


def alone(config: RunConfig) -> dict[int, RunConfig]:
    """Return runs on a single level each, by level."""
    return {level: replace(config, levels=(level,)) for level in config.levels}


class AgentRun:
    """Run the agent stage by stage, and measure it after each: a trainer for `run_jobs`.

    Args:
        config: which run.
        seed: of all draws.

    Attributes:
        step: stages done; those after the end of the run do nothing.
        agent: the agent.
        records: one dict a stage, see `_measure`.
        cpu_seconds: of the agent's stages, measuring apart.
    """

    def __init__(self, config: RunConfig, seed: int):
        self.config = config
        self.layouts = [LEVELS[config.size][level] for level in config.levels]
        self.shortest = [len(shortest_path(layout, config.size)) for layout in self.layouts]
        self.agent = self._make_agent(seed)
        self.step = 0
        self.records: list[dict[str, Any]] = []
        self.cpu_seconds = 0.0

    def _make_agent(self, seed: int) -> NeuralComputerAgent:
        return NeuralComputerAgent(self._live, len(self.layouts), self._is_solved, self.config.agent, seed=seed)

    def _live(self, level: int) -> GridNavigation:
        return GridNavigation(self.layouts[level], size=self.config.size)

    def _is_solved(self, level: int, length: int) -> bool:
        return length == self.shortest[level]

    @property
    def over(self) -> bool:
        """Whether all levels are solved, or the live steps used up."""
        return self.agent.stage == "done" or self.agent.live_steps >= self.config.max_live_steps

    def run(self, steps: int) -> Iterator[dict[str, Any] | None]:
        """Do stages; yield the record of each, None after the end of the run."""
        for _ in range(steps):
            record = None
            if not self.over:
                start = time.process_time()
                record = self.agent.advance()
                self.cpu_seconds += time.process_time() - start
                record = {**record, **self._measure(record)}
                self.records.append(record)
            self.step += 1
            yield record

    def _measure(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is measured after a stage.

        After "model": exact, by level, see `exact_accuracy`. After "act" this too; silenced, the same without the core;
        greedy_solved, by level, whether the greedy policy takes the shortest path; and beside, a dream of the level beside
        reality, see `dream_beside_reality`.
        """
        agent = self.agent
        if record["stage"] == "model":
            return {"exact": [measures.exact_accuracy(agent.model, layout) for layout in self.layouts]}
        if record["stage"] == "act":
            solved = [agent.greedy(level) == shortest for level, shortest in enumerate(self.shortest)]
            layout = self.layouts[record["level"]]
            first = draw(layout, 0)[None]
            dreams = agent.dreams(lambda count, rng: first, seed=0)
            beside = measures.dream_beside_reality(dreams, agent.policy, layout, self.config.agent.with_memory)
            exact = [measures.exact_accuracy(agent.model, each) for each in self.layouts]
            silenced = [measures.exact_accuracy(agent.model, each, heard=False) for each in self.layouts]
            return {"exact": exact, "silenced": silenced, "greedy_solved": solved, "beside": beside}
        return {}

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run, and what was measured."""
        return {
            "agent": self.agent.state_dict(),
            "step": self.step,
            "records": list(self.records),
            "cpu_seconds": self.cpu_seconds,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self.agent.load_state_dict(state["agent"])
        self.step = state["step"]
        self.records = list(state["records"])
        self.cpu_seconds = state["cpu_seconds"]


def output(run: AgentRun) -> dict[str, Any]:
    """Return what is kept of a run: its records, and when each level was solved."""
    agent = run.agent
    return {
        "records": run.records,
        "solved_at": [agent.solved_at.get(level) for level in range(len(run.config.levels))],
        "live_steps": agent.live_steps,
        "cpu_seconds": run.cpu_seconds,
    }


def seed_of(run_seed: int, number: int) -> int:
    """Return the seed of an agent, the same for all arms."""
    return seeding.entropy(run_seed, "agent", number) % 2**31


def run_agents(run: Run, configs: Mapping[Any, RunConfig], numbers: Sequence[int], block: int) -> dict[Any, list[dict]]:
    """Run the agent with every configuration and seed, as many at a time as there are cores, or find the runs in the cache.

    Args:
        run: the notebook's run.
        configs: by any key.
        numbers: of the seeds.
        block: stages between two checkpoints.

    Returns:
        by key, the output of each seed.
    """
    jobs = [
        Job(AgentRun, {"config": config, "seed": seed_of(run.seed, number)}, config.stages, output)
        for config in configs.values()
        for number in numbers
    ]
    folders = iter(run_jobs(run.cache, jobs, "agents", block=block, parallel_from=4))
    return {key: [load_output(next(folders), config.stages) for _ in numbers] for key, config in configs.items()}


def live_steps(result: Mapping[str, Any], budget: int) -> int:
    """Return the live steps until all levels are solved; the whole budget if they are not."""
    last = result["solved_at"][-1]
    return budget if last is None else last
