"""The pipeline of notebook 04, which notebook 05 uses too: episodes of play, and VAEs trained on them.

Reading guide. `episodes` plays, `train` trains VAEs in parallel and `load_vae` reads one, `measure` evaluates them; `fit_pca`
makes the linear baseline. Each answers from the cache if the same was computed before, in this notebook or in another.
`TrainingConfig` says which VAE and how it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from wmlib.envs.doom import scripted, take_cover
from wmlib.experiment import seeding
from wmlib.lessons.vae import measures, pca
from wmlib.lessons.vae.pca import PCA
from wmlib.models.vae import VAE
from wmlib.rollouts import Rollouts, collect
from wmlib.training.jobs import Job, cached_map, load_output, run_jobs
from wmlib.training.schedules import linear_decay
from wmlib.training.vae import Objective, VAETrainer

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

POLICIES = {"sticky": scripted.sticky, "held": scripted.held}
HELD_OUT = 0.1  # proportion of the episodes, the last ones; two at least
STAGES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of a training, after which the weights are kept
BLOCK = 500  # steps between two checkpoints
TEST_FRAMES = 3000  # about as many are tested on; neighbouring frames say much the same
PCA_FRAMES = 6000  # at most so many are fitted


@dataclass(frozen=True)
class TrainingConfig:
    """Describe a VAE and its training, the data aside.

    Args:
        objective: the loss.
        frames: training frames in all; a frame seen in two passes counts twice.
        training_seed: number of the training seed; equal numbers start from the same weights and see the same frames.
        latent_size, channels: sizes of the VAE.
        batch_size, lr: frames a step, and the learning rate of Adam.
        decay: proportion of the steps, the last ones, over which the learning rate falls; see `linear_decay`.
    """

    objective: Objective
    frames: int
    training_seed: int = 0
    latent_size: int = 64
    channels: int = 32
    batch_size: int = 100
    lr: float = 1e-4
    decay: float = 0.0

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return max(1, self.frames // self.batch_size)

    @property
    def stage_steps(self) -> tuple[int, ...]:
        """Steps after which the weights are kept, one for each of `STAGES`; short trainings repeat some."""
        return tuple(max(1, round(self.steps * stage)) for stage in STAGES)

    def build(self, generator: torch.Generator) -> VAE:
        """Make the VAE, its weights drawn by the generator."""
        return VAE(generator=generator, latent_size=self.latent_size, channels=self.channels)

    def schedule(self, step: int) -> float:
        """Return the learning rate of a step."""
        return linear_decay(step, self.steps, self.lr, self.decay)


def configs(settings: Any, objective: Objective) -> list[TrainingConfig]:
    """Return the trainings of notebook 04 with an objective, one for each of its training seeds.

    Args:
        settings: the notebook's, resolved.

    Source: batch size and learning rate of the profile paper: Ha & Schmidhuber 2018. Those of the other profiles are ours: with
        them narrow networks learn more from few frames.
    """
    return [
        TrainingConfig(
            objective,
            settings.frames,
            training_seed,
            settings.latent_size,
            settings.channels,
            settings.batch_size,
            settings.lr,
            settings.decay,
        )
        for training_seed in range(settings.seeds)
    ]


def episodes(run: Run, count: int, policy: str = "sticky") -> Rollouts:
    """Return episodes of Take Cover, played by a random policy.

    Args:
        run: its seed determines them.
        count: how many, at least 10, so that some can be held out.
        policy: "sticky" (Mufti's: keep the action with probability 0.9) or "held" (Ha and Schmidhuber's: for 1 to 10 tics).

    Raises:
        ValueError: fewer, or another policy.
    """
    if count < 10 or policy not in POLICIES:
        raise ValueError(f"count, policy: got {count}, {policy!r}; allowed are 10 and above, and {', '.join(POLICIES)}")
    return Rollouts(run.cached_folder(play_episodes, POLICIES[policy], count, run.seed) / "episodes")


def play_episodes(folder: Path, policy: Any, count: int, seed: int) -> None:
    """Collect episodes of Take Cover into a folder `episodes`; arguments as for `collect`."""
    collect(
        folder / "episodes",
        take_cover.ENV_ID,
        policy,
        count,
        seed,
        env_kwargs={"shrunk": False},
        prepare=take_cover.shrink,
        shard_episodes=min(100, max(5, count // 6)),
    )


def split(data: Rollouts) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the rows to train on, int64 (M,), and the rows of each episode held out, of which no frame is trained on."""
    first = len(data.starts) - num_held_out(len(data.starts))
    return np.arange(data.starts[first]), [data.episode(i) for i in range(first, len(data.starts))]


def num_held_out(episodes: int) -> int:
    """Return how many of so many episodes, the last ones, are held out."""
    return max(2, round(HELD_OUT * episodes))


def choose_test_rows(held_out: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return every so many rows of each held-out episode, about `TEST_FRAMES` in all.

    Args:
        held_out: rows int64 (T,) of each episode, as returned by `split`.
    """
    every = max(1, sum(map(len, held_out)) // TEST_FRAMES)
    return [rows[::every] for rows in held_out]


def train(
    run: Run,
    data: Rollouts | Sequence[Rollouts],
    configs: Sequence[TrainingConfig],
    label: str = "training",
    block: int = BLOCK,
) -> list[Path]:
    """Train VAEs, as many at a time as there are cores (on a GPU one); return their folders, for `load_vae`.

    Args:
        data: the episodes for all of them, or for each its own.
        configs: what is trained.
        label: for the progress bar.
        block: steps from one checkpoint to the next; it changes no weight.
    """
    each = [data] * len(configs) if isinstance(data, Rollouts) else data
    jobs = [
        Job(
            begin_training,
            {"folder": rollouts.folder, "config": config, "seed": run.seed, "device": run.device},
            config.steps,
            vae_weights,
            config.stage_steps,
        )
        for rollouts, config in zip(each, configs, strict=True)
    ]
    workers = 1 if run.device.type == "cuda" else -1
    return run_jobs(run.cache, jobs, label, block=block, parallel_from=200, workers=workers)


def begin_training(folder: Path, config: TrainingConfig, seed: int, device: torch.device) -> VAETrainer:
    """Return the trainer of a VAE at its first step.

    Args:
        folder: of the episodes.
        config: what is trained.
        seed, device: of the run.
    """
    data = Rollouts(folder)
    generator = seeding.torch_generator(seed, "vae", config.training_seed)
    return VAETrainer(
        config.build(generator).to(device),
        config.objective,
        data.frames,
        split(data)[0],
        generator=generator,
        batch_size=config.batch_size,
        schedule=config.schedule,
        fetch=data.fetch,
    )


def vae_weights(trainer: VAETrainer) -> dict[str, torch.Tensor]:
    """Return what is kept of a training."""
    return trainer.vae.state_dict()


def load_vae(folder: Path, config: TrainingConfig, stage: int = -1) -> VAE:
    """Return a trained VAE, on the CPU, as it was after one of `STAGES` (the last: when finished)."""
    model = config.build(torch.Generator())
    model.load_state_dict(load_output(folder, config.stage_steps[stage]))
    return model.eval()


def measure(
    run: Run,
    configs: Sequence[TrainingConfig],
    folders: Sequence[Path],
    data: Rollouts,
    test_rows: Sequence[np.ndarray],
    stages: Sequence[int] = tuple(range(len(STAGES))),
) -> list[list[dict]]:
    """Return, of each training and after each stage, what `evaluate_vae` returns.

    Args:
        configs, folders: as given to and returned by `train`.
        data: episodes to test on.
        test_rows: of each held-out episode, rows int64 (T,) of the frames to test on.
        stages: which of `STAGES`.
    """
    models = [load_vae(folder, config, i) for config, folder in zip(configs, folders, strict=True) for i in stages]
    calls = [{"model": model, "folder": data.folder, "test_rows": list(test_rows)} for model in models]
    parallel = sum(map(len, test_rows)) * len(calls) >= 10_000
    flat = cached_map(run.cache, evaluate_vae, calls, "measures", parallel=parallel)
    return [flat[i : i + len(stages)] for i in range(0, len(flat), len(stages))]


def evaluate_vae(model: VAE, folder: Path, test_rows: Sequence[np.ndarray]) -> dict:
    """Return `measures.tally` of a VAE's reconstructions and kl (Z,), the mean KL of each dimension in nats."""
    data = Rollouts(folder)
    episodes = [data.frames(rows) for rows in test_rows]
    counts = measures.tally((frames, measures.reconstruct(model, frames)) for frames in episodes)
    kl = torch.cat([measures.encode(model, frames).kl() for frames in episodes])
    return {**counts, "kl": kl.mean(0).numpy()}


def fit_pca(run: Run, data: Rollouts, train_rows: np.ndarray, latent_size: int, max_frames: int = PCA_FRAMES) -> PCA:
    """Return principal components, fitted to some of the training frames.

    Args:
        run: its seed determines which.
        data: episodes.
        train_rows: int64 (M,), as returned by `split`.
        latent_size: Z; less where there are fewer frames.
        max_frames: so many are fitted, or all if there are fewer.
    """
    rng = run.rng("pca")
    rows = rng.choice(train_rows, min(max_frames, len(train_rows)), replace=False)
    return PCA(**run.cached(fit_rows, data, rows, min(latent_size, len(rows)), run.rng("pca", "start")))


def fit_rows(data: Rollouts, rows: np.ndarray, latent_size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the attributes of the PCA of some rows; arguments as for `pca.fit`."""
    return vars(pca.fit(data.frames(rows), latent_size, rng))


def evaluate_baselines(models: Mapping[str, PCA], data: Rollouts, test_rows: Sequence[np.ndarray]) -> dict[str, dict]:
    """Return `measures.tally` of each baseline's pictures, by name; other arguments as for `measure`."""
    episodes = [data.frames(rows) for rows in test_rows]
    return {name: measures.tally((frames, model(frames)) for frames in episodes) for name, model in models.items()}
