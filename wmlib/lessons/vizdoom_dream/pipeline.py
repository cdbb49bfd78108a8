"""Stages of the Take Cover dream: latents, world models, and controllers bred in their dreams.

Reading guide. In the order of the data: `latents` encodes all frames once; `train` trains world models on them, `foresight`
and `standing_still` judge them; `breed` breeds controllers in their dreams. `Model` and `Breeding` say what is made;
everything is found again in the cache by what determines it. What the finished agents do in the real game is in
`take_cover_games.py`.
"""

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed

from wmlib.agents import cma_es, dream
from wmlib.agents import linear_controller as controller
from wmlib.agents import evolution as dream_search
from wmlib.agents.dream import Dreams, live
from wmlib.agents.evolution import Search
from wmlib.envs.doom import take_cover
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment import settings as profiles
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.progress import progress
from wmlib.experiment.run import Run
from wmlib.models import lstm, mdn, recurrent, vae, world_model
from wmlib.models import cuda_graphs as recorded
from wmlib.training import streams
from wmlib.lessons.vizdoom_dream import measures as world_model_study
from wmlib.training import world_model as world_model_training
from wmlib.models.dnc import DNC, addressing, core, fast, kernels, memory
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE, Posterior
from wmlib.training.vae import SMALL_THINGS
from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience, Trainer
from wmlib.rollouts import Rollouts
from wmlib.lessons.vae import pipeline as stages
from wmlib.training.jobs import advance, falling, finish, quiet_workers

BUTTONS = torch.tensor(take_cover.BUTTONS, dtype=torch.float32)  # what the model is told of the actions left, stay, right
MODEL_CODE = [lstm, mdn, recurrent, streams, world_model, world_model_training, core, fast, kernels, memory, addressing]
BREEDING_CODE = [cma_es, controller, dream, dream_search]
DECAY = 0.5  # share of a training over which the rate falls
COLUMNS = ("mean", "log_variance")


@dataclass(frozen=True)
class Model:
    """What determines a world model, its data aside.

    Args:
        core: "lstm" or "dnc".
        hidden: H, LSTM cells (of the controller, in a DNC).
        slots, width, heads: N, W, R of a DNC.
        rows: rows read in training, all passes together; 0: it stays as drawn.
        index: number of the random start.
        batch, length, rate: see `Trainer`.
        normalize: see `WorldModel`.
    """

    core: str = "lstm"
    hidden: int = 256
    slots: int = 16
    width: int = 16
    heads: int = 2
    rows: int = 3_000_000
    index: int = 0
    batch: int = 32
    length: int = 64
    rate: float = 2e-3
    normalize: bool = True

    @property
    def steps(self) -> int:
        return self.rows // (self.batch * self.length)

    def rate_at(self, step: int) -> float:
        return falling(step, self.steps, self.rate, DECAY)

    def build(self, latent: int, generator: torch.Generator) -> WorldModel:
        """Make the model, its weights drawn by the generator."""
        inputs = latent + BUTTONS.shape[1]
        if self.core == "lstm":
            network = LSTM(inputs, self.hidden, generator=generator, forget_bias=1.0)
        elif self.core == "dnc":
            network = DNC(inputs, self.hidden, self.slots, self.width, self.heads, generator=generator)
        else:
            raise ValueError(f"core is {self.core!r}; choose lstm or dnc")
        return WorldModel(network, latent, normalize=self.normalize, generator=generator)


@dataclass(frozen=True)
class Breeding:
    """What determines a controller, its world model aside; see `Search` and `Dreams`.

    Args:
        names: what it sees.
        index: number of the random start.
    """

    names: tuple[str, ...] = ("z", "h", "c")
    generations: int = 30
    population: int = 64
    trials: int = 16
    temperature: float = 1.0
    cap: int = 2100
    start_noise: float = 0.0
    index: int = 0


class Sight(NamedTuple):
    """Hold the first parts of one complete run from pixels to actions: the episodes, a VAE, and their latents."""

    data: Rollouts
    fit: stages.Fit
    folder: Path  # of the VAE
    vae: VAE
    encoded: Path  # see `latents`


def sights(run: Run, count: int, data: Sequence[Rollouts] = ()) -> list[Sight]:
    """Return the first parts of complete runs.

    Args:
        count: of runs.
        data: the episodes of each; left out, those of notebook 04 for all, and its VAEs where it has made them.
    """
    settings = profiles.resolve(profiles.read("04_vae"), run.profile, {})
    given = list(data) or [stages.episodes(run, settings.episodes, settings.policy)] * count
    first = stages.notebook_fits(settings, SMALL_THINGS)[0]
    fits = [replace(first, index=i) for i in range(count)]
    found = []
    for rollouts, fit, folder in zip(given, fits, stages.train(run, given, fits, "VAEs"), strict=True):
        model = stages.load(folder, fit)
        found.append(Sight(rollouts, fit, folder, model, latents(run, rollouts, folder, model)))
    return found


def equal_hidden(model: Model, latent: int) -> int:
    """Return the hidden size at which an LSTM model has the parameters of `model`, or nearest to it."""

    def size(other: Model) -> int:
        return sum(p.numel() for p in other.build(latent, torch.Generator()).parameters())

    wanted = size(model)
    return min(range(1, 4 * model.hidden), key=lambda hidden: abs(size(replace(model, core="lstm", hidden=hidden)) - wanted))


def latents(run: Run, data: Rollouts, vae_folder: Path, model: VAE) -> Path:
    """Encode all frames; return the folder, for `experience`: float16 mean.npy and log_variance.npy, (rows, Z)."""

    def make(folder: Path) -> None:
        size = (len(data), model.latent)
        for name in COLUMNS:
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float16, size).flush()
        cuts = np.arange(0, len(data), 2000)
        tasks = [delayed(_encode)(folder, data.folder, model, slice(a, a + 2000), str(run.device)) for a in cuts]
        with quiet_workers():
            for _ in progress(Parallel(n_jobs=-1, return_as="generator_unordered")(tasks), "encoding", len(tasks)):
                pass

    settings = {"episodes": data.folder.parent.name, "vae": vae_folder.name, "device": run.device.type}
    return run.cache.folder("latents", make, settings, [vae])


def experience(folder: Path, data: Rollouts) -> Experience:
    """Return what `latents` left, with what was done, as a world model learns from it."""
    mean, log_variance = (np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in COLUMNS)
    actions = BUTTONS.numpy()[data.actions]
    return Experience(mean, log_variance, actions, data.rewards, data.terminated, data.acted, data.resets)


def train(run: Run, sights: Sequence[Sight], models: Sequence[Model]) -> list[Path]:
    """Train a world model for each entry, as many at a time as there are cores; return their folders, for `load`.

    On a GPU too: one recurrent network, step by step, leaves it waiting for most of the time.

    Args:
        sights: for each model, whose episodes and latents it learns from, but for the episodes held out.
    """
    step = functools.partial(_train_until, run.cache, run.seed, str(run.device))
    rows = [len(stages.split(sight.data)[0]) for sight in sights]
    jobs = [(s.data.folder, s.encoded, r, model) for s, r, model in zip(sights, rows, models, strict=True)]
    block = 1000 if run.device.type == "cuda" else 100  # a GPU's recordings are made anew in each
    return finish(step, jobs, [max(1, model.steps) for model in models], block, "world models", 20)


def load(folder: Path, model: Model, latent: int) -> WorldModel:
    """Return a world model, on the CPU."""
    made = model.build(latent, torch.Generator())
    made.load_state_dict(checkpoint.load(folder / "model.safetensors"))
    return made.eval()


def foresight(run: Run, sights: Sequence[Sight], minds: Mapping[str, Sequence[tuple[Path, Model]]]) -> dict:
    """Judge world models by held-out episodes; see `world_model_study`.

    Args:
        sights: of each complete run.
        minds: by name, folder and description of the model of each run.

    Returns:
        judged: by name, for each run, what `judge` says; copy, floor: for each run, `copying` and `entropy_floor`; ahead: by
        name, and for "copy", the error of the first run's model by horizon.
    """

    def make() -> dict:
        draws, rng = run.torch_rng("judge"), run.rng("foresight")
        tables = [experience(sight.encoded, sight.data) for sight in sights]
        held_out = [stages.split(sight.data) for sight in sights]
        worlds = {n: [load(*m, s.fit.latent) for m, s in zip(own, sights, strict=True)] for n, own in minds.items()}
        triples = list(zip(tables, held_out, strict=True))
        judged = {
            n: [world_model_study.judge(w, t, held, draws) for w, (t, (_, held)) in zip(own, triples, strict=True)]
            for n, own in worlds.items()
        }
        copied = [world_model_study.copying(t, rows, held, draws) for t, (rows, held) in triples]
        floors = [world_model_study.entropy_floor(t, np.concatenate(held)) for t, (_, held) in triples]
        starts = world_model_study.long_enough(tables[0], held_out[0][1], 100, rng)
        ahead = {
            n: world_model_study.open_loop(own[0], tables[0], starts, draws, seen=60, ahead=40)
            for n, own in worlds.items() if minds[n][0][1].rows
        }  # fmt: skip
        lines = {**{n: e["model"] for n, e in ahead.items()}, "copy": next(iter(ahead.values()))["copy"]}
        return {"judged": judged, "copy": copied, "floor": floors, "ahead": lines}

    which = {name: [folder.name for folder, _ in own] for name, own in minds.items()}
    return run.cached("foresight", make, [*MODEL_CODE, world_model_study], models=which)


def standing_still(run: Run, sight: Sight, mind: tuple[Path, Model], plan: Breeding, count: int = 100) -> float:
    """Return how long one who never moves lives in dreams of a model, a player whose score in the game is known: the mean."""

    def make() -> float:
        world = load(*mind, sight.fit.latent)
        which = dreams(plan, world, starts(sight.encoded, sight.data), seeding.entropy(run.seed, "standing still") % 2**31)
        still = torch.zeros(1, controller.count(world, ("z",)))
        return float(live(which, still, ("z",), range(count)).mean())

    return run.cached("stand-still", make, [*MODEL_CODE, *BREEDING_CODE], model=mind[0].name, count=count, **asdict(plan))


def breed(run: Run, sights: Sequence[Sight], models: Sequence[tuple[Path, Model]], plans: Sequence[Breeding]) -> list[Path]:
    """Breed a controller for each plan in the dreams of its model; return their folders, for `bred`.

    Args:
        sights: for each plan, whose first frames its dreams begin at.
        models: for each plan, folder and description of the model.
    """
    step = functools.partial(_breed_until, run.cache, run.seed, str(run.device))
    jobs = [(s.data.folder, s.encoded, *m, plan) for s, m, plan in zip(sights, models, plans, strict=True)]
    return finish(step, jobs, [plan.generations for plan in plans], 5, "generations", 3)


def bred(folder: Path) -> dict:
    """Return what came of it: weights float64 (F,); score, steps they lived in validation dreams; history, float64
    (generations, 3), see `dream_search.Generation`; trail, float64 (validations, F), all means that were tried there."""
    return checkpoint.load(folder / "controller.safetensors")


def starts(encoded: Path, data: Rollouts) -> Posterior:
    """Return the posteriors of all first frames."""
    table = experience(encoded, data)
    return Posterior(*(torch.from_numpy(part[data.starts].astype(np.float32)) for part in table[:2]))


def dreams(plan: Breeding, model: WorldModel, begin: Posterior, seed: int) -> Dreams:
    """Return the dreams of a plan; `seed` says which."""
    own = {"temperature": plan.temperature, "cap": plan.cap, "start_noise": plan.start_noise}
    return Dreams(model, BUTTONS, begin, seed=seed, **own)


def _encode(folder: Path, data: Path, model: VAE, rows: slice, device: str) -> None:
    torch.set_num_threads(1)
    rollouts = Rollouts(data)
    with torch.no_grad():
        found = copy.deepcopy(model).to(device).encode(rollouts.frames(np.arange(*rows.indices(len(rollouts)))))
    for name, value in zip(COLUMNS, found, strict=True):
        np.load(folder / f"{name}.npy", mmap_mode="r+")[rows] = value.cpu().numpy()


def _train_until(cache: ArtifactCache, seed: int, device: str, job: tuple, until: int) -> Path | None:
    data, encoded, rows, model = job
    settings = {"seed": seed, "latents": encoded.name, "rows_used": rows, "decay": DECAY, "device": device, **asdict(model)}
    steps = max(1, model.steps)

    def begin() -> Trainer:
        table = experience(encoded, Rollouts(data))
        generator = seeding.torch_generator(seed, "world model", model.index)
        made = model.build(table.mean.shape[1], generator).to(device)
        table = Experience(*(part[:rows] for part in table))
        own = {"batch": model.batch, "length": model.length, "learning_rate": model.rate}
        return Trainer(made, table, generator=generator, **own)

    def after(folder: Path, trainer: Trainer) -> None:
        if trainer.step == steps:
            checkpoint.save(folder / "model.safetensors", trainer.model.state_dict())

    rate = model.rate_at if model.steps else lambda step: 0.0
    return advance(cache, "world-model", settings, [*MODEL_CODE, *_recorded(device)], until, steps, begin, after, rate)


def _breed_until(cache: ArtifactCache, seed: int, device: str, job: tuple, until: int) -> Path | None:
    data, encoded, folder, model, plan = job
    settings = {"seed": seed, "latents": encoded.name, "model": folder.name, "device": device, **asdict(plan)}

    def begin() -> Search:
        rollouts = Rollouts(data)
        first = starts(encoded, rollouts)
        world = load(folder, model, first.mean.shape[1]).to(device)
        rng = seeding.generator(seed, "controller", plan.index)
        which = dreams(plan, world, first, seeding.entropy(seed, "dreams", plan.index) % 2**31)
        return Search(which, plan.names, rng=rng, population=plan.population, trials=plan.trials)

    def after(folder: Path, search: Search) -> None:
        if search.step == plan.generations:
            found = {"weights": search.best, "score": search.best_score, "trail": np.stack(search.trail)}
            history = np.array(search.history, np.float64)
            checkpoint.save(folder / "controller.safetensors", {**found, "history": history})

    code = [*MODEL_CODE, *BREEDING_CODE, *_recorded(device)]
    return advance(cache, "controller", settings, code, until, plan.generations, begin, after)


def _recorded(device: str) -> list[ModuleType]:
    """Return the code that determines a result on a GPU alone."""
    return [recorded] if device == "cuda" else []
