"""Stages of the Take Cover world model: episodes of play, and VAEs trained on them.

Reading guide. Each stage takes a notebook's `Run`, answers from its cache if the same was made before, in this notebook or
in another, and else makes it. `episodes` plays, `train` trains VAEs in parallel and `load` reads one.

A training goes on in blocks of steps. After each block its whole state lies in a checkpoint, so a stop costs a block at most,
and the same call goes on to the same bits.
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from wmlib.envs.doom import engine as doom
from wmlib.envs.doom import take_cover
from wmlib.envs.doom import scripted as take_cover_baselines
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.progress import progress
from wmlib.experiment.run import Run
from wmlib.models import vae
from wmlib.lessons.vae import measures as vae_study
from wmlib.training import vae as vae_training
from wmlib.models.vae import VAE
from wmlib.training.vae import Objective, Trainer
from wmlib.rollouts import Rollouts, collection, store
from wmlib.training.jobs import advance, falling, finish, quiet_workers

POLICIES = {"sticky": take_cover_baselines.sticky, "held": take_cover_baselines.held}
HELD_OUT = 0.1  # share of the episodes, the last ones; two at least
STAGES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of a training, after which the weights are kept
BLOCK = 500  # steps


@dataclass(frozen=True)
class Fit:
    """What determines a trained VAE, its data aside.

    Args:
        objective: what is made small.
        frames: training frames in all; a frame seen in two passes counts twice.
        index: number of the random start; two fits of one index start from the same weights and see the same frames.
        latent, width: sizes of the VAE.
        batch, rate: frames a step, and the learning rate of Adam.
        decay: share of the steps, the last ones, over which the rate falls in a line, to 3 % of itself; 0: it is constant.
    """

    objective: Objective
    frames: int
    index: int = 0
    latent: int = 64
    width: int = 32
    batch: int = 100
    rate: float = 1e-4
    decay: float = 0.0

    @property
    def steps(self) -> int:
        return max(1, self.frames // self.batch)

    @property
    def marks(self) -> list[int]:
        """Steps after which the weights are kept, one for each of `STAGES`; short trainings repeat some."""
        return [max(1, round(self.steps * stage)) for stage in STAGES]

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, 0 … steps - 1."""
        return falling(step, self.steps, self.rate, self.decay)


def episodes(run: Run, count: int, policy: str = "sticky") -> Rollouts:
    """Return episodes of Take Cover, played by a random policy.

    Args:
        run: its seed determines them.
        count: how many, at least 10, so that some can be held out.
        policy: "sticky" (Mufti's: keep the action with probability 0.9) or "held" (Ha and Schmidhuber's: for 1 to 10 tics).
    """
    if count < 10 or policy not in POLICIES:
        raise ValueError(f"count, policy: got {count}, {policy!r}; allowed are 10 and above, and {', '.join(POLICIES)}")

    def make(folder: Path) -> None:
        collection.collect(
            folder / "episodes", "wmlib/TakeCover-v0", POLICIES[policy], count, run.seed,
            env_kwargs={"shrunk": False}, prepare=take_cover.shrink, shard_episodes=min(100, max(5, count // 6)),
            backend=run.backend,
        )  # fmt: skip

    code = [doom, take_cover, take_cover_baselines, collection, store]
    settings = {"seed": run.seed, "count": count, "policy": policy}
    return Rollouts(run.cache.folder("episodes", make, settings, code) / "episodes")


def split(data: Rollouts) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the rows to train on, int64 (M,), and the rows of each episode held out, of which no frame is trained on."""
    first = len(data.starts) - max(2, round(HELD_OUT * len(data.starts)))
    return np.arange(data.starts[first]), [data.episode(i) for i in range(first, len(data.starts))]


def train(run: Run, data: Rollouts | Sequence[Rollouts], fits: Sequence[Fit], label: str = "training") -> list[Path]:
    """Train a VAE for each fit, as many at a time as there are cores (on a GPU one); return their folders, for `load`.

    Args:
        data: the episodes for all of them, or for each its own.
    """
    each = [data] * len(fits) if isinstance(data, Rollouts) else data
    jobs = [(rollouts.folder, fit) for rollouts, fit in zip(each, fits, strict=True)]
    step = functools.partial(_train_until, run.cache, run.seed, str(run.device))
    return finish(step, jobs, [fit.steps for fit in fits], BLOCK, label, 200, 1 if run.device.type == "cuda" else -1)


def load(folder: Path, fit: Fit, stage: int = -1) -> VAE:
    """Return a trained VAE, on the CPU, as it was after one of `STAGES` (the last: when finished)."""
    model = VAE(generator=torch.Generator(), latent=fit.latent, width=fit.width)
    model.load_state_dict(checkpoint.load(folder / f"{fit.marks[stage]}.safetensors"))
    return model.eval()


def measure(
    run: Run,
    fits: Sequence[Fit],
    folders: Sequence[Path],
    test: Sequence[np.ndarray],
    stages: Sequence[int] = tuple(range(len(STAGES))),
) -> list[list[dict]]:
    """Return, of each fit and after each stage, `vae_study.tally` and kl (Z,), the mean KL of each dimension in nats.

    Args:
        fits, folders: as given to and returned by `train`.
        test: frames of each held-out episode.
        stages: which of `STAGES`.
    """

    def make() -> list[list[dict]]:
        models = (load(folder, fit, i) for fit, folder in zip(fits, folders, strict=True) for i in stages)
        tasks = [delayed(_measure)(model, test) for model in models]
        few = sum(map(len, test)) * len(tasks) < 10_000
        with quiet_workers():
            flat = list(progress(Parallel(n_jobs=1 if few else -1, return_as="generator")(tasks), "measures", len(tasks)))
        return [flat[i : i + len(stages)] for i in range(0, len(flat), len(stages))]

    numbers = {
        "folders": [folder.name for folder in folders],
        "frames": [len(frames) for frames in test],
        "stages": list(stages),
    }
    return run.cached("vae-measures", make, [vae, vae_study], **numbers)


def _measure(model: VAE, test: Sequence[np.ndarray]) -> dict:
    torch.set_num_threads(1)
    found = vae_study.tally((frames, vae_study.reconstruct(model, frames)) for frames in test)
    kl = torch.cat([vae_study.encode(model, frames).kl() for frames in test])
    return {**found, "kl": kl.mean(0).numpy()}


def notebook_fits(settings: Any, objective: Objective) -> list[Fit]:
    """Return the fits of notebook 04 with an objective, one for each of its seeds.

    Args:
        settings: the notebook's, resolved.

    Source: batch and rate of the full width: Ha & Schmidhuber 2018. Those of narrower networks are ours, and learn more from
        few frames.
    """
    batch, rate, decay = (100, 1e-4, 0.0) if settings.width >= 32 else (32, 1.5e-3, 0.4)
    sizes = {name: getattr(settings, name) for name in ("frames", "latent", "width")}
    return [Fit(objective, index=i, batch=batch, rate=rate, decay=decay, **sizes) for i in range(settings.seeds)]


def _train_until(cache: ArtifactCache, seed: int, device: str, job: tuple[Path, Fit], until: int) -> Path | None:
    """Go on with a training to a step; return its folder if it is finished (or was), else None."""
    data, fit = job
    settings = {"seed": seed, "device": device.partition(":")[0], "episodes": data.parent.name, "stages": STAGES, **asdict(fit)}

    def begin() -> Trainer:
        rollouts, generator = Rollouts(data), seeding.torch_generator(seed, "vae", fit.index)
        model = VAE(generator=generator, latent=fit.latent, width=fit.width).to(device)
        rows = split(rollouts)[0]
        kept = {"generator": generator, "batch": fit.batch, "learning_rate": fit.rate, "fetch": rollouts.fetch}
        return Trainer(model, fit.objective, rollouts.frames, rows, **kept)

    def after(folder: Path, trainer: Trainer) -> None:
        if trainer.step in fit.marks:
            checkpoint.save(folder / f"{trainer.step}.safetensors", trainer.vae.state_dict())

    return advance(cache, "vae", settings, [vae, vae_training], until, fit.steps, begin, after, fit.rate_at)
