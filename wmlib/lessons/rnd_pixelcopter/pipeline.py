"""The runs of notebook 08: PPO on PixelCopter with the game's reward, with curiosity, with both, and with the author's choices.

Reading guide. An `Arm` says what an agent sees and what it is paid for; a `RunConfig` adds sizes. `CopterRun` is one run,
update by update, with what is measured beside it; `run_arms` brings many to their end, in parallel and resumable. `examine`
tests what a run has learnt on levels that nobody has seen.

Levels: those of training, validation, test and of the search for blind policies have different seeds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wmlib.agents.advantages import gae, shifted_gae
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.ppo import PPO, PPOConfig
from wmlib.agents.rnd import RND, RNDConfig, mufti
from wmlib.experiment import seeding
from wmlib.lessons.rnd_pixelcopter import measures
from wmlib.lessons.rnd_pixelcopter.world import MAX_FRAMES, THIRD, Copters
from wmlib.models.specs import CoreConfig
from wmlib.training.jobs import Job, cached_map, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

EXTRINSIC, INTRINSIC, BOTH, RANDOM = "game's reward", "curiosity alone", "both", "random"
PAPER, EPISODIC, SCALAR, CURRENT, SHIFTED, FIXED, AUTHOR = (
    "the paper's RND",
    "+ episodic stream",
    "+ one number",
    "+ observation before",
    "+ shifted returns",
    "+ one fixed level",
    "all five (the author's)",
)
FIVE = (EPISODIC, SCALAR, CURRENT, SHIFTED, FIXED)
BOTH_ON = "both, non-episodic"
NO_CORE, LSTM, DNC = "no memory", "LSTM", "DNC"
# seeds of levels: training draws from 2³¹ on
VALIDATION, TEST, SEARCH, SIGHTS = 1_000_000, 2_000_000, 3_000_000, 4_000_000
TRAINING = 2**31
RASTER_LEVELS = 20  # validation levels on which every snapshot's actions are kept
RASTER_FRAMES = 200
NETWORKS = {
    "state": PolicyConfig((64, 64)),
    "positions": PolicyConfig((64, 64)),
    "pixels": PolicyConfig((256,), ((16, 4, 2), (32, 4, 2)), "relu"),
}
RND_NETWORKS = {
    "state": PolicyConfig((64, 64), activation="leaky_relu"),
    "pixels": PolicyConfig((), ((16, 8, 4), (32, 4, 2)), "leaky_relu"),
}
# of PPO by view; a recurrent core takes long over small minibatches of whole environments
SIZES = {
    "state": {"num_epochs": 4, "minibatch_size": 512, "lr": 1e-3},
    "positions": {"num_epochs": 4, "minibatch_size": 2048, "lr": 1e-3},
    "pixels": {"num_epochs": 3, "minibatch_size": 512, "lr": 7e-4},
}
VALUE_COEF = 0.05  # errors of returns are large: with more weight their gradient rules the trunk and the clipping
# least deviation that advantages are divided by: where few rewards come, noise is not to be blown up to 1. After half a million
# steps the curious arms have 0.1 with an episodic stream, 0.01 with the paper's; the reward alone has 0.005 without any reward.
STD_FLOORS = {"game": 1e-8, "third blocks": 0.02}


@dataclass(frozen=True)
class Arm:
    """Describe what an agent sees and what it is paid for.

    Args:
        view: "state", "positions" or "pixels", see `Copters`.
        reward: "game" or "third blocks", see `Copters`.
        reward_coef: weight of the environment's advantages; 0: that reward is ignored.
        curiosity: of RND; None: there is none.
        core: recurrent core of the policy; None: it is feed-forward.
        shifted: whether returns are the author's, which start with the next reward; see `advantages.shifted_gae`.
        fixed_level: whether all training is on one level.
    """

    view: str = "state"
    reward: str = "game"
    reward_coef: float = 1.0
    curiosity: RNDConfig | None = None
    core: CoreConfig | None = None
    shifted: bool = False
    fixed_level: bool = False


@dataclass(frozen=True)
class RunConfig:
    """Describe one run.

    Args:
        arm: what it learns from.
        updates: of PPO.
        num_envs, num_steps: N games, T frames of each between two updates.
        entropy_coef: see `PPOConfig`.
        snapshots: S, how often the policy is looked at: first after one update, then on a logarithmic scale, in the second half
            of the snapshots at equal distances, last at the end.
        validation_levels: greedy episodes at each snapshot.
        early_steps: environment steps up to which the best policy is kept apart; None: none is.
    """

    arm: Arm
    updates: int
    num_envs: int = 128
    num_steps: int = 128
    entropy_coef: float = 0.001
    snapshots: int = 6
    validation_levels: int = 50
    early_steps: int | None = None

    def snapshot_updates(self) -> list[int]:
        """Return after which updates the policy is looked at, S of them or all if there are fewer."""
        late = self.snapshots // 2
        logarithmic = np.geomspace(1, max(1.0, self.updates / late), self.snapshots - late + 1)[:-1]
        linear = np.linspace(0, self.updates, late + 1)[1:]
        return sorted({round(update) for update in (*logarithmic, *linear)})


def rnd_config(view: str, num_features: int) -> RNDConfig:
    """Return the paper's RND at the size of this notebook: as many features, and units of the predictor, as asked for."""
    return RNDConfig(
        num_features=num_features,
        predictor_size=num_features,
        network=RND_NETWORKS[view],
        last_channels=1 if view == "pixels" else None,
    )


def reward_arms(view: str, num_features: int, reward: str = "game", episodic: bool = False) -> dict[str, Arm]:
    """Return the arms that differ in what they are paid for; coefficients are the paper's, 2 and 1."""
    curiosity = replace(rnd_config(view, num_features), episodic=episodic)
    return {
        EXTRINSIC: Arm(view, reward),
        INTRINSIC: Arm(view, reward, 0.0, curiosity),
        BOTH: Arm(view, reward, 2.0, curiosity),
    }


def sparse_arms(num_features: int) -> dict[str, Arm]:
    """Return the arms where only every third block pays: an episodic stream, and both rewards with the paper's stream too."""
    episodic = reward_arms("state", num_features, "third blocks", episodic=True)
    return {**episodic, BOTH_ON: reward_arms("state", num_features, "third blocks")[BOTH]}


def choice_arms(view: str, num_features: int) -> dict[str, Arm]:
    """Return agents with curiosity alone.

    Args:
        view: what they see.
        num_features: D of the paper's RND.

    Returns:
        the paper's RND, with each of the author's five choices, with an episodic stream and each other choice, with all five.
    """
    paper = rnd_config(view, num_features)
    arm = Arm(view, "game", 0.0, paper)
    singles = {name: _with_choice(arm, name) for name in FIVE}
    pairs = {pair(name): _with_choice(singles[EPISODIC], name) for name in FIVE if name != EPISODIC}
    return {PAPER: arm, **singles, **pairs, AUTHOR: replace(arm, curiosity=mufti(paper), shifted=True, fixed_level=True)}


def pair(name: str) -> str:
    """Return the name of the arm with an episodic stream and another choice."""
    return f"+ episodic, {name.removeprefix('+ ')}"


def _with_choice(arm: Arm, name: str) -> Arm:
    if name == SHIFTED:
        return replace(arm, shifted=True)
    if name == FIXED:
        return replace(arm, fixed_level=True)
    assert arm.curiosity is not None
    choices: dict[str, dict[str, Any]]
    choices = {EPISODIC: {"episodic": True}, SCALAR: {"num_features": 1}, CURRENT: {"observe": "current"}}
    return replace(arm, curiosity=replace(arm.curiosity, **choices[name]))


def memory_arms() -> dict[str, Arm]:
    """Return agents that the game pays and that do not see the velocity: without a recurrent core, with an LSTM, with a DNC."""
    cores = {NO_CORE: None, LSTM: CoreConfig("lstm", 64), DNC: CoreConfig("dnc", 64, 8, 8)}
    return {name: Arm("positions", core=core) for name, core in cores.items()}


def make_policy(view: str, core: CoreConfig | None, num_values: int, generator: torch.Generator) -> ActorCritic:
    """Return an untrained policy."""
    network = replace(NETWORKS[view], core=core)
    return ActorCritic(Copters(1, view).single_observation_space, 2, network, num_values, generator=generator)


class CopterRun:
    """One run, update by update: a trainer for `run_jobs`.

    Args:
        config: which run.
        seed: of all draws.

    Attributes:
        step: updates done.
        records: by name, one number an update: "env_steps", "episodes", how many ended, their mean "return" (in what the
            environment pays) and "length", NaN if none ended, "intrinsic_reward" (NaN without curiosity), "cpu_seconds"
            (looking apart).
        snapshots: what `_look` saw.
        best, early: of the snapshot with the largest mean of what the environment pays on validation levels, of all and of
            those up to `early_steps`: "update", "env_steps", "cpu_seconds" and the policy's "weights".
    """

    def __init__(self, config: RunConfig, seed: int):
        self.config = config
        arm = config.arm
        generator = torch.Generator().manual_seed(seed)
        self.envs = Copters(config.num_envs, arm.view, arm.reward, arm.fixed_level)
        curiosity = None
        if arm.curiosity is not None:
            curiosity = RND(self.envs.single_observation_space, config.num_envs, arm.curiosity, generator=generator)
        ppo = PPOConfig(
            num_steps=config.num_steps,
            decay_updates=config.updates,
            reward_coef=arm.reward_coef,
            value_coef=VALUE_COEF,
            entropy_coef=config.entropy_coef,
            advantage_std_floor=STD_FLOORS[arm.reward],
            **SIZES[arm.view],  # type: ignore[arg-type]
        )
        self.rnd = curiosity
        self.ppo = PPO(
            self.envs,
            make_policy(arm.view, arm.core, 1 if curiosity is None else 2, generator),
            ppo,
            generator=generator,
            seed=TRAINING + seed % 2**30,
            curiosity=curiosity,
            estimator=shifted_gae if arm.shifted else gae,
        )
        self.step = 0
        self.cpu_seconds = 0.0
        self.records: dict[str, list[float]] = {
            name: [] for name in ("env_steps", "episodes", "return", "length", "intrinsic_reward", "cpu_seconds")
        }
        self.snapshots: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.early: dict[str, Any] = {}
        self._sights = None if curiosity is None else measures.sights(arm.view, 64, 150, SIGHTS)

    def run(self, steps: int) -> Iterator[dict[str, float]]:
        """Do updates; yield the metrics of each."""
        looks = self.config.snapshot_updates()
        for _ in range(steps):
            start = time.process_time()
            metrics = self.ppo.update(self.ppo.collector.collect())
            self.cpu_seconds += time.process_time() - start
            self.step += 1
            ended = len(self.ppo.collector.returns)
            metrics = {"intrinsic_reward": float("nan"), **metrics, "episodes": float(ended), "cpu_seconds": self.cpu_seconds}
            for name, values in self.records.items():
                values.append(metrics[name])
            if self.step in looks:
                self._look()
            yield metrics

    def _look(self) -> None:
        """Play greedily on validation levels, and write down the actions of some and what is novel."""
        config = self.config
        seeds = VALIDATION + np.arange(config.validation_levels)
        fixed = config.arm.fixed_level
        played = measures.play(self.ppo.policy, config.arm.view, seeds, MAX_FRAMES, fixed_level=fixed)
        score = float((played.returns if config.arm.reward == "game" else played.blocks // THIRD).mean())
        best = max((each["score"] for each in self.snapshots), default=-np.inf)
        self.snapshots.append(
            {
                "update": self.step,
                "env_steps": self.ppo.env_steps,
                "cpu_seconds": self.cpu_seconds,
                "score": score,
                "episodes": measures.numbers(played),
                "ups": [ups[ups < RASTER_FRAMES] for ups in played.ups[:RASTER_LEVELS]],
                "frames": played.frames[:RASTER_LEVELS],
                "novelty": None if self.rnd is None or self._sights is None else measures.novelty_map(self.rnd, self._sights),
            }
        )
        if score >= best:
            self.best = self._current()
            if config.early_steps is not None and self.ppo.env_steps <= config.early_steps:
                self.early = self.best

    def _current(self) -> dict[str, Any]:
        weights = {name: value.clone() for name, value in self.ppo.policy.state_dict().items()}
        return {"update": self.step, "env_steps": self.ppo.env_steps, "cpu_seconds": self.cpu_seconds, "weights": weights}

    def state_dict(self) -> dict:
        """Copy everything that determines the rest of the run, and what was measured."""
        return {
            "ppo": self.ppo.state_dict(),
            "envs": self.envs.state_dict(),
            "step": self.step,
            "cpu_seconds": self.cpu_seconds,
            "records": {name: np.array(values) for name, values in self.records.items()},
            "snapshots": list(self.snapshots),
            "best": self.best,
            "early": self.early,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`."""
        self.envs.reset(seed=0)
        self.envs.load_state_dict(state["envs"])
        self.ppo.load_state_dict(state["ppo"])
        self.step = state["step"]
        self.cpu_seconds = state["cpu_seconds"]
        self.records = {name: list(map(float, values)) for name, values in state["records"].items()}
        self.snapshots = list(state["snapshots"])
        self.best, self.early = state["best"], state["early"]


def output(run: CopterRun) -> dict[str, Any]:
    """Return what is kept of a run: its records, what was seen at its snapshots, and policies as `CopterRun.best`.

    "chosen" is the best on validation levels where the environment pays; else, as no reward may choose, the last one.
    "early" is `CopterRun.early`.
    """
    return {
        "records": {name: np.array(values) for name, values in run.records.items()},
        "snapshots": run.snapshots,
        "chosen": run.best if run.config.arm.reward_coef > 0 else run._current(),
        "early": run.early,
        "env_steps": run.ppo.env_steps,
        "cpu_seconds": run.cpu_seconds,
    }


def seed_of(run_seed: int, number: int) -> int:
    """Return the seed of an agent, the same for all arms."""
    return seeding.entropy(run_seed, "agent", number) % 2**31


def run_arms(run: Run, configs: Mapping[str, RunConfig], numbers: Sequence[int], block: int = 40) -> dict[str, list[dict]]:
    """Run every arm with every seed, as many at a time as there are cores, or find the runs in the cache.

    Args:
        run: the notebook's run.
        configs: by arm.
        numbers: of the seeds.
        block: updates between two checkpoints.

    Returns:
        by arm, the output of each seed, with its "config".

    Raises:
        FloatingPointError: a run's loss is no finite number, see `PPO.update`.
    """
    jobs = [
        Job(CopterRun, {"config": config, "seed": seed_of(run.seed, number)}, config.updates, output)
        for config in configs.values()
        for number in numbers
    ]
    folders = iter(run_jobs(run.cache, jobs, "agents", block=block, parallel_from=20))
    return {
        name: [{**load_output(next(folders), config.updates), "config": config} for _ in numbers]
        for name, config in configs.items()
    }


def load_policy(weights: Mapping[str, torch.Tensor], view: str, core: CoreConfig | None = None) -> ActorCritic:
    """Return a policy with stored weights."""
    policy = make_policy(view, core, len(weights["value_head.bias"]), torch.Generator().manual_seed(0))
    policy.load_state_dict(dict(weights))
    return policy


def examine(
    weights: Mapping[str, torch.Tensor] | float,
    view: str,
    levels: int,
    max_frames: int,
    fixed_level: bool,
    seed: int,
    core: CoreConfig | None = None,
) -> dict[str, Any]:
    """Test a policy on levels that nobody has seen.

    Args:
        weights: of the policy; a number: a coin that gives up with this probability.
        view: what it sees.
        levels: L, how many; the first ones of the test levels.
        max_frames: after which an episode is cut.
        fixed_level: test on the fixed level instead, with the same number of episodes.
        seed: of sampled actions.
        core: of the policy.

    Returns:
        "greedy" and "sampled", `measures.numbers` with the most probable and with sampled actions, (L,) each; a coin is sampled
        in both. "replayed", what the greedy episodes' tapes score on another level, (L,); "ups", their frames with an up, on
        the first levels; "film_seed", the level of their median return.

    Raises:
        ValueError: another word for the view.
    """
    seeds = TEST + np.arange(levels)
    generator = torch.Generator().manual_seed(seed)
    policy = weights if isinstance(weights, float) else load_policy(weights, view, core)
    sampled = measures.play(policy, view, seeds, max_frames, fixed_level=fixed_level, generator=generator)
    greedy = sampled
    if not isinstance(policy, float):
        greedy = measures.play(policy, view, seeds, max_frames, fixed_level=fixed_level)
    return {
        "greedy": measures.numbers(greedy),
        "sampled": measures.numbers(sampled),
        "replayed": measures.replayed(greedy, seeds),
        "ups": [ups[ups < RASTER_FRAMES] for ups in greedy.ups[:RASTER_LEVELS]],
        "film_seed": int(seeds[int(np.argsort(greedy.returns)[levels // 2])]),
    }


def fly(weights: Mapping[str, torch.Tensor], view: str, seed: int, frames: int) -> np.ndarray:
    """Return in which frames a feed-forward policy presses "up" on one level, greedily, up to a frame."""
    return measures.play(load_policy(weights, view), view, [seed], frames).ups[0]


def examine_all(
    run: Run,
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    levels: int,
    policy: str = "chosen",
    fixed_level: bool | None = None,
) -> dict[str, list[dict]]:
    """Test a policy of every run, see `examine`.

    Args:
        run: the notebook's run.
        groups: outputs of `run_arms`.
        levels: test levels.
        policy: which policy of each output, "chosen" or "early".
        fixed_level: whether to test on the fixed level; None: where it was trained.
    """
    calls = [
        {
            "weights": result[policy]["weights"],
            "view": result["config"].arm.view,
            "levels": levels,
            "max_frames": MAX_FRAMES,
            "fixed_level": result["config"].arm.fixed_level if fixed_level is None else fixed_level,
            "seed": seed_of(run.seed, number),
            "core": result["config"].arm.core,
        }
        for results in groups.values()
        for number, result in enumerate(results)
    ]
    tests = iter(cached_map(run.cache, examine, calls, "test levels", parallel=levels > 50))
    return {name: [next(tests) for _ in results] for name, results in groups.items()}
