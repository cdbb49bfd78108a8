"""The cue corridor in notebook 07: world models trained on a curriculum of cues, and how many doors they get right.

Reading guide. `CorridorTraining` says which model and which curriculum; `CorridorTrainer` trains it on fresh random episodes,
level after level, and `train` does so for many in resumable jobs. `play` walks a trained model through the corridor: at each
door it takes the one with the largest predicted reward. An episode is a success if every door is right; `measure` counts these.
What happens inside the memory is in `corridor_memory`.

Axes: B episodes, n cues and doors, T = n + L + n steps, frames (3, 8, 8).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_

from wmlib.envs.grid.cue_corridor import LENGTHS, MAX_SYMBOLS, SIDE, CueCorridorVector, Level, num_steps
from wmlib.experiment import seeding
from wmlib.models.frame_model import FrameModel, loss
from wmlib.models.layers import num_parameters
from wmlib.models.recurrent import State
from wmlib.models.specs import CoreConfig, equal_hidden
from wmlib.training.divergence import DivergenceWatch, gradient_norm
from wmlib.training.jobs import Job, cached_map, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

FRAME = (3, SIDE, SIDE)
CUES = (1, 2, 3, 4, 6, 8, 12)  # of the curriculum; without 3, one of three DNCs got stuck at 4
CHECK_EVERY = 25  # updates from one check of the current level to the next
REVISION_CHECK_EVERY = 50  # the same in the revision, where all levels are checked
CHECK_EPISODES = 64  # of a check, on each level
MASTERED = 0.98  # success from which the curriculum goes on
REVISIT = 0.25  # proportion of the updates on an earlier level of the curriculum
PARALLEL_FROM = 200  # steps from which processes are started
PARALLEL_EPISODES = 100
ARMS = ("DNC", "LSTM, equal hidden size", "LSTM, equal parameters", "feed-forward")


@dataclass(frozen=True)
class CorridorTraining:
    """Describe a world model of the corridor and its training.

    Args:
        core: which memory.
        levels: the curriculum, (n, L) from easy to hard.
        updates: of a level, at most: it ends earlier when it is mastered. The revision at the end has as many.
        lr, max_grad_norm: of Adam, and the norm at which gradients are clipped.
        batch_size: B, fresh episodes of an update.
    """

    core: CoreConfig
    levels: tuple[Level, ...]
    updates: int
    lr: float
    max_grad_norm: float = 10.0
    batch_size: int = 16

    @property
    def steps(self) -> int:
        """Return the updates of all levels and of the revision together, at most."""
        return self.updates * (len(self.levels) + 1)

    def build(self, generator: torch.Generator) -> FrameModel:
        """Return the model, untrained."""
        return FrameModel(self.core, FRAME, MAX_SYMBOLS, generator=generator)


class Episodes(NamedTuple):
    """Hold episodes of one level, all of the same length."""

    frames: Tensor  # float32 (B, T + 1, 3, 8, 8), values 0 and 1
    actions: Tensor  # int64 (B, T)
    rewards: Tensor  # float32 (B, T)
    done: Tensor  # bool (B, T)


def see(frames: np.ndarray) -> Tensor:
    """Return frames of the environment, uint8 (B, 8, 8, 3), as the model takes them: float32 (B, 3, 8, 8) from 0 to 1."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def random_episodes(env: CueCorridorVector, rng: np.random.Generator) -> Episodes:
    """Walk once through the corridor, at random at the doors.

    Args:
        env: its level is that of all B episodes.
        rng: draws cues and actions.
    """
    steps = num_steps(env.levels[0])
    actions = rng.integers(env.symbols, size=(env.num_envs, steps))
    seen, _ = env.reset(seed=int(rng.integers(2**31)))
    frames = [seen]
    rewards, done = [], []
    for t in range(steps):
        seen, reward, terminated, _, _ = env.step(actions[:, t])
        frames.append(seen)
        rewards.append(reward)
        done.append(terminated)
    walked = torch.from_numpy(np.stack(frames, 1)).permute(0, 1, 4, 2, 3).float() / 255
    return Episodes(
        walked,
        torch.from_numpy(actions),
        torch.from_numpy(np.stack(rewards, 1)).float(),
        torch.from_numpy(np.stack(done, 1)),
    )


class Walk(NamedTuple):
    """Hold what a model did in B episodes of one level."""

    cues: np.ndarray  # int64 (B, n)
    choices: np.ndarray  # int64 (B, n), the doors it took
    expected: np.ndarray  # float32 (B, n, doors), the rewards it expected of each
    rewards: np.ndarray  # float64 (B, n)
    frames: Tensor  # float32 (B, T, 3, 8, 8), what it saw
    actions: Tensor  # int64 (B, T), what it did, 0 where nothing is to be done

    @property
    def success(self) -> np.ndarray:
        """Return whether every door was right, bool (B,)."""
        return (self.choices == self.cues).all(1)


@torch.no_grad()
def play(
    model: FrameModel, level: Level, cues: np.ndarray, edit: Callable[[State], State] | None = None, symbols: int = MAX_SYMBOLS
) -> Walk:
    """Walk through the corridor in the environment, at each door through the one with the largest predicted reward.

    Args:
        model: trained.
        level: n and L.
        cues: int (B, n), those of the episodes.
        edit: what is done to the core's state when the corridor is behind and before the first door is seen; None, nothing.
        symbols: how many doors there are to choose from.
    """
    count, length = level
    env = CueCorridorVector(len(cues), level, symbols=symbols)
    seen, _ = env.reset(options={"cues": cues})
    actions = torch.zeros(len(cues), num_steps(level), dtype=torch.int64)
    frames = [see(seen)]
    for t in range(count + length):
        seen, *_ = env.step(actions[:, t].numpy())
        frames.append(see(seen))
    _, state = model.remember(torch.stack(frames[:-1], 1), actions[:, : count + length], None, None)
    if edit is not None:
        state = edit(state)
    doors = torch.arange(symbols).repeat_interleave(len(cues))
    expected, rewards = [], []
    for t in range(count + length, num_steps(level)):
        memory, state = model.see(frames[-1], actions[:, t - 1], state)
        _, predicted, _ = model.outcome(frames[-1].repeat(symbols, 1, 1, 1), memory.repeat(symbols, 1), doors)
        expected.append(predicted.view(symbols, -1).T)
        actions[:, t] = expected[-1].argmax(1)
        seen, reward, *_ = env.step(actions[:, t].numpy())
        frames.append(see(seen))
        rewards.append(reward)
    return Walk(
        np.asarray(cues),
        actions[:, count + length :].numpy(),
        torch.stack(expected, 1).numpy(),
        np.stack(rewards, 1),
        torch.stack(frames[:-1], 1),
        actions,
    )


def draw_cues(level: Level, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the cues of some episodes, int64 (episodes, n), as the environment does."""
    return rng.integers(MAX_SYMBOLS, size=(episodes, level[0]))


class CorridorTrainer:
    """Train a world model on the corridor, level after level, each with fresh random episodes at every update.

    A level ends when it is mastered, at the latest after its share of the updates. One update in four is on an earlier level,
    so that these are not forgotten. Then comes the revision, on all levels alike, until all are mastered at once. After it
    nothing more is trained: the steps that are left do nothing.

    Args:
        training: what is trained, and how.
        seed: of the run.
        number: of the training seed; stands beside `seed` in the names of the generators of weights and episodes.

    Attributes:
        model: it is trained.
        step: steps done; those after the revision do no update.
        stage: number of the current level in the curriculum; their count in the revision, and one more when all is done.
        updates: int64 (levels + 1,), updates done in each level and in the revision.
        checks: rows (update, stage, success), one for each check; in the revision the lowest success of all levels.
    """

    def __init__(self, training: CorridorTraining, seed: int, number: int | str = 0) -> None:
        self.training = training
        self.seed, self.names = seed, ("corridor", number)
        self.model = training.build(seeding.torch_generator(seed, *self.names, "init"))
        self.optimizer = torch.optim.Adam(self.model.parameters(), training.lr, fused=True)
        self.watch = DivergenceWatch(self.model)
        self.step = 0
        self.stage = 0
        self.updates = np.zeros(len(training.levels) + 1, np.int64)
        self.checks: list[tuple[int, int, float]] = []
        self._envs = [CueCorridorVector(training.batch_size, level) for level in training.levels]

    def run(self, steps: int) -> Iterator[None]:
        """Do steps, and yield after each.

        Raises:
            TrainingDivergedError: loss or gradient are no finite numbers.
        """
        for _ in range(steps):
            if self.stage <= len(self.training.levels):
                self._update()
            self.step += 1
            yield

    def _update(self) -> None:
        rng = seeding.generator(self.seed, *self.names, "episodes", self.step)
        level = self.stage
        if level == len(self._envs) or (level > 0 and rng.random() < REVISIT):
            level = int(rng.integers(level))  # an earlier one
        episodes = random_episodes(self._envs[level], rng)
        self.optimizer.zero_grad()
        prediction, _ = self.model(episodes.frames[:, :-1], episodes.actions)
        counts = torch.ones_like(episodes.done)
        losses = loss(prediction, episodes.frames[:, 1:], episodes.rewards, episodes.done, counts)
        losses.total.backward()
        norm = gradient_norm(self.model)
        self.watch.see(self.step, self.training.lr, losses.total, norm)
        clip_grads_with_norm_(self.model.parameters(), self.training.max_grad_norm, norm)
        self.optimizer.step()
        self.updates[self.stage] += 1
        done = int(self.updates[self.stage])
        every = CHECK_EVERY if self.stage < len(self._envs) else REVISION_CHECK_EVERY
        if (done % every == 0 and self._mastered()) or done >= self.training.updates:
            self.stage += 1

    def _mastered(self) -> bool:
        """Check the current level, or all of them in the revision."""
        levels = self.training.levels
        current = levels if self.stage == len(levels) else levels[self.stage : self.stage + 1]
        rng = seeding.generator(self.seed, *self.names, "check", self.step)
        success = min(float(play(self.model, level, draw_cues(level, CHECK_EPISODES, rng)).success.mean()) for level in current)
        self.checks.append((int(self.updates.sum()), self.stage, success))
        return success >= MASTERED

    def state_dict(self) -> dict:
        """Return all that is needed to go on to the same bits."""
        return {
            "step": self.step,
            "stage": self.stage,
            "updates": self.updates.copy(),
            "checks": list(self.checks),
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go back to a state of `state_dict`."""
        self.step = state["step"]
        self.stage = state["stage"]
        self.updates = np.array(state["updates"])
        self.checks = [tuple(row) for row in state["checks"]]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))


def curriculum(cues: int, length: int = 1) -> tuple[Level, ...]:
    """Return levels from easy to hard: first more cues in the shortest corridor, then longer corridors.

    Args:
        cues: the last n, one of `CUES`.
        length: the last L, one of `LENGTHS`.

    Raises:
        ValueError: another number.

    Example:
        >>> curriculum(4, 2)
        ((1, 1), (2, 1), (3, 1), (4, 1), (4, 2))
    """
    for name, value, allowed in (("cues", cues, CUES), ("length", length, LENGTHS)):
        if value not in allowed:
            raise ValueError(f"{name}: got {value!r}; allowed are {', '.join(map(str, allowed))}")
    longer = tuple((cues, one) for one in LENGTHS if 1 < one <= length)
    return tuple((n, 1) for n in CUES if n <= cues) + longer


def arms(core: CoreConfig, lrs: Mapping[str, float], **training: Any) -> dict[str, CorridorTraining]:
    """Return the trainings that are compared, by the names in `ARMS`.

    Args:
        core: the DNC.
        lrs: learning rate by arm.
        training: the other arguments of `CorridorTraining`, the same for all arms.
    """
    dnc = CorridorTraining(core, lr=lrs["DNC"], **training)

    def lstm(hidden_size: int) -> CorridorTraining:
        return replace(dnc, core=CoreConfig("lstm", hidden_size))

    def build(hidden_size: int) -> FrameModel:
        return lstm(hidden_size).build(torch.Generator().manual_seed(0))

    wanted = num_parameters(dnc.build(torch.Generator().manual_seed(0)))
    cores = {
        "DNC": dnc,
        "LSTM, equal hidden size": lstm(core.hidden_size),
        "LSTM, equal parameters": lstm(equal_hidden(wanted, build)),
        "feed-forward": replace(dnc, core=CoreConfig("feedforward", core.hidden_size)),
    }
    return {name: replace(cores[name], lr=lrs[name]) for name in ARMS}


def trained(trainer: CorridorTrainer) -> dict:
    """Return what a job keeps of a training: weights, updates by stage, and the checks."""
    checks = np.array(trainer.checks, np.float64).reshape(-1, 3)
    return {"weights": trainer.model.state_dict(), "updates": trainer.updates, "checks": checks}


def train(run: Run, trainings: Sequence[tuple[CorridorTraining, int | str]], block: int) -> list[dict]:
    """Train models in resumable jobs.

    Args:
        run: its cache is used; its seed is that of all generators.
        trainings: what is trained, each with the number of its training seed, see `CorridorTrainer`.
        block: steps from one checkpoint to the next.

    Returns:
        For each of them what `trained` keeps.
    """
    jobs = [
        Job(CorridorTrainer, {"training": training, "seed": run.seed, "number": number}, training.steps, trained)
        for training, number in trainings
    ]
    folders = run_jobs(run.cache, jobs, "corridor", block=block, parallel_from=PARALLEL_FROM)
    return [load_output(folder, job.steps) for folder, job in zip(folders, jobs, strict=True)]


def restore(training: CorridorTraining, kept: Mapping[str, Any]) -> FrameModel:
    """Return the trained model of what `trained` kept."""
    model = training.build(torch.Generator().manual_seed(0))
    model.load_state_dict(kept["weights"])
    return model.eval()


def measure(model: FrameModel, levels: Sequence[Level], seed: int, episodes: int) -> np.ndarray:
    """Return the success on each level, the proportion of episodes with every door right.

    Args:
        model: trained.
        levels: to test on.
        seed: of the test episodes, which are the same for all models.
        episodes: of each level.

    Returns:
        float64 (levels,).
    """
    drawn = [draw_cues(level, episodes, seeding.generator(seed, "corridor", "test", *level)) for level in levels]
    return np.array([play(model, level, cues).success.mean() for level, cues in zip(levels, drawn, strict=True)])


def compare(
    run: Run,
    trainings: Mapping[str, CorridorTraining],
    seeds: Mapping[str, int],
    levels: Sequence[Level],
    episodes: int,
    block: int,
) -> dict[str, dict]:
    """Train and measure all arms.

    Args:
        run: as for `train`.
        trainings: by arm.
        seeds: number of training seeds by arm; the first ones of the same list.
        levels: to test on.
        episodes: of a test.
        block: as for `train`.

    Returns:
        By arm: parameters, lr, models (one for each seed), success (seeds, levels), updates (seeds, levels of the
            curriculum and its revision).
    """
    pairs = [(name, number) for name in trainings for number in range(seeds[name])]
    kept = train(run, [(trainings[name], number) for name, number in pairs], block)
    models = [restore(trainings[name], one) for (name, _), one in zip(pairs, kept, strict=True)]
    calls = [{"model": model, "levels": list(levels), "seed": run.seed, "episodes": episodes} for model in models]
    success = cached_map(run.cache, measure, calls, "corridor, tests", parallel=episodes >= PARALLEL_EPISODES)
    results = {}
    for name, training in trainings.items():
        mine = [i for i, pair in enumerate(pairs) if pair[0] == name]
        results[name] = {
            "parameters": num_parameters(models[mine[0]]),
            "lr": training.lr,
            "models": [models[i] for i in mine],
            "success": np.stack([success[i] for i in mine]),
            "updates": np.stack([kept[i]["updates"] for i in mine]),
        }
    return results


def search(
    run: Run, trainings: Mapping[str, CorridorTraining], lrs: Sequence[float], cues: int, updates: int, block: int
) -> dict[str, dict]:
    """Choose a learning rate for each arm by the same rule: all are tried once, with a seed that is used for nothing else.

    The one with the highest mean success over the levels of its curriculum wins; of equals, the one with fewer updates.

    Args:
        run, block: as for `train`.
        trainings: by arm; their learning rates do not count.
        lrs: to try.
        cues: largest n of the curriculum in the search.
        updates: of a level in the search, at most.

    Returns:
        By arm: success and updates (lrs,), best: the chosen learning rate.
    """
    levels = curriculum(cues)
    tried = [replace(one, lr=lr, levels=levels, updates=updates) for one in trainings.values() for lr in lrs]
    kept = train(run, [(one, "search") for one in tried], block)
    calls = [
        {"model": restore(one, result), "levels": list(levels), "seed": run.seed + 1, "episodes": CHECK_EPISODES}
        for one, result in zip(tried, kept, strict=True)
    ]
    success = np.array([row.mean() for row in cached_map(run.cache, measure, calls, "search", parallel=False)])
    total = np.array([result["updates"].sum() for result in kept])
    results = {}
    for i, name in enumerate(trainings):
        rows = slice(i * len(lrs), (i + 1) * len(lrs))
        best = int(np.lexsort((total[rows], -success[rows]))[0])
        results[name] = {"success": success[rows], "updates": total[rows], "best": lrs[best]}
    return results
