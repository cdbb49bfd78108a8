"""The pipeline of notebook 05, first part: latents of all frames, and world models trained on them.

Reading guide. In the order of the data: `episodes` are what is learnt from; `trained_vaes` trains the VAEs of `vae_configs`,
unless notebook 04 has done so, where the kept one is not taken; `encode` encodes all frames once (see `latents.py`); `train`
trains world models on the latents, `load_world_model` reads one; `predictions` evaluates them on episodes held out. Each
answers from the cache. `WorldModelTraining` says which world model and how it is trained, `trainings` those that are compared;
`search.py` finds their learning rates. Controllers, which are evolved in the dreams of these models, are in `controllers.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wmlib.experiment import seeding
from wmlib.lessons.vae import pipeline as vae_pipeline
from wmlib.lessons.vizdoom_dream import latents, measures
from wmlib.lessons.vizdoom_dream.latents import ACTIONS
from wmlib.models.layers import num_parameters
from wmlib.models.specs import CoreConfig, equal_hidden
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel, WorldModelConfig
from wmlib.rollouts import Rollouts
from wmlib.training.divergence import TrainingDivergedError
from wmlib.training.jobs import Job, cached_map, load_output, run_jobs
from wmlib.training.schedules import linear_decay
from wmlib.training.vae import WEIGHTED
from wmlib.training.world_model import Experience, WorldModelTrainer

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

LSTM, LARGE_LSTM, DNC = "MDN-LSTM", "MDN-LSTM, equal parameters", "MDN-DNC"  # the world models that are compared
SEEN, AHEAD = 60, 40  # steps shown to a world model, and predicted after these


class EncodedEpisodes(NamedTuple):
    """Hold the first parts of one training seed: a VAE, and the latents of all episodes."""

    vae: VAE
    latents: Path  # see `latents.read`


@dataclass(frozen=True)
class WorldModelTraining:
    """Describe a world model and its training, the data aside.

    Args:
        model: sizes of the world model.
        rows: rows read in training, all passes together; 0: it keeps its default initialization.
        training_seed: number of the training seed.
        batch_size, seq_len, lr: see `WorldModelTrainer`.
        decay: proportion of the steps, the last ones, over which the learning rate falls; see `linear_decay`.
    """

    model: WorldModelConfig
    rows: int = 3_000_000
    training_seed: int = 0
    batch_size: int = 32
    seq_len: int = 64
    lr: float = 2e-3
    decay: float = 0.5

    @property
    def steps(self) -> int:
        """Steps of the whole training, at least 1."""
        return max(1, self.rows // (self.batch_size * self.seq_len))

    def schedule(self, step: int) -> float:
        """Return the learning rate of a step; 0 where nothing is to be learnt."""
        return linear_decay(step, self.steps, self.lr, self.decay) if self.rows else 0.0


def trainings(settings: Any, latent_size: int) -> dict[str, WorldModelTraining]:
    """Return the trainings of the three world models that are compared, by name; `search.tuned` gives each its own tuning.

    Args:
        settings: the notebook's, resolved.
        latent_size: Z, of the VAE.
    """

    def with_core(core: CoreConfig) -> WorldModelTraining:
        return WorldModelTraining(
            WorldModelConfig(core, latent_size, action_size=ACTIONS.shape[1]),
            rows=settings.rows,
            batch_size=settings.batch_size,
            seq_len=settings.seq_len,
            decay=settings.decay,
        )

    dnc = with_core(CoreConfig("dnc", settings.hidden_size, settings.num_slots, settings.word_size, settings.num_heads))
    return {LSTM: with_core(CoreConfig("lstm", settings.hidden_size)), LARGE_LSTM: lstm_of_equal_size(dnc), DNC: dnc}


def lstm_of_equal_size(training: WorldModelTraining) -> WorldModelTraining:
    """Return the same training of a world model with an LSTM and as many parameters, or nearly as many."""

    def with_lstm(hidden_size: int) -> WorldModelConfig:
        return replace(training.model, core=CoreConfig("lstm", hidden_size))

    parameters = num_parameters(training.model.build(torch.Generator()))
    hidden_size = equal_hidden(parameters, lambda size: with_lstm(size).build(torch.Generator()))
    return replace(training, model=with_lstm(hidden_size))


def episodes(run: Run) -> Rollouts:
    """Return the episodes that world models learn from.

    The kept VAE has seen 10,000 episodes of seed 1. With it they have a seed of their own, so that it has seen none of them.
    Where VAEs are trained they are the episodes of notebook 04, if the settings are the same.
    """
    settings = run.settings
    if settings.vae == "trained":
        return vae_pipeline.episodes(run, settings.episodes, settings.vae_policy)
    policy = vae_pipeline.POLICIES[settings.vae_policy]
    seed = seeding.entropy(run.seed, "episodes") % 2**31
    return Rollouts(run.cached_folder(vae_pipeline.play_episodes, policy, settings.episodes, seed) / "episodes")


def vae_configs(settings: Any) -> list[vae_pipeline.TrainingConfig]:
    """Return the VAE of each training seed, with the weighted loss: those of notebook 04, where the settings are the same.

    Args:
        settings: the notebook's, resolved.
    """
    return [
        vae_pipeline.TrainingConfig(
            WEIGHTED,
            settings.vae_frames,
            training_seed,
            settings.vae_latent_size,
            settings.vae_channels,
            settings.vae_batch_size,
            settings.vae_lr,
            settings.vae_decay,
        )
        for training_seed in range(settings.seeds)
    ]


def trained_vaes(run: Run) -> list[VAE]:
    """Train a VAE for each training seed, or find it in the cache; see `vae_configs`."""
    settings = run.settings
    data = vae_pipeline.episodes(run, settings.vae_episodes, settings.vae_policy)
    configs = vae_configs(settings)
    folders = vae_pipeline.train(run, data, configs, "VAEs")
    return [vae_pipeline.load_vae(folder, config) for folder, config in zip(folders, configs, strict=True)]


def encode(run: Run, data: Sequence[Rollouts], vaes: Sequence[VAE]) -> list[EncodedEpisodes]:
    """Encode all frames, once for each pair of episodes and VAE.

    Args:
        data: the episodes of each training seed.
        vaes: the VAE of each.
    """
    return [
        EncodedEpisodes(vae, run.cached_folder(latents.encode_frames, rollouts, vae, run.device))
        for rollouts, vae in zip(data, vaes, strict=True)
    ]


def detected_blobs(run: Run, data: Rollouts, vaes: Sequence[VAE]) -> list[dict]:
    """Return, for each VAE, the tally of bright blobs in held-out frames (see `vae.measures.tally`).

    Args:
        data: the episodes.
        vaes: of each training seed; one that several share is evaluated once.
    """
    rows = vae_pipeline.choose_test_rows(vae_pipeline.split(data)[1])
    different = {id(vae): vae for vae in vaes}.values()
    calls = [{"model": vae, "folder": data.folder, "test_rows": rows} for vae in different]
    return cached_map(run.cache, vae_pipeline.evaluate_vae, calls, "measures", parallel=len(calls) > 1)


def train(run: Run, encoded: Sequence[EncodedEpisodes], trainings: Sequence[WorldModelTraining]) -> list[Path]:
    """Train world models, as many at a time as there are cores; return their folders, for `load_world_model`.

    On a GPU too: one recurrent network, step by step, leaves it waiting for most of the time.

    Args:
        encoded: for each training, what it learns from, but for the episodes held out.
        trainings: what is trained.
    """
    jobs = [
        Job(
            begin_training,
            {"folder": each.latents, "training": training, "seed": run.seed, "device": run.device},
            training.steps,
            world_model_weights,
        )
        for each, training in zip(encoded, trainings, strict=True)
    ]
    block = 1000 if run.device.type == "cuda" else 100  # a GPU's captured steps are made anew in each
    return run_jobs(run.cache, jobs, "world models", block=block, parallel_from=20)


def begin_training(folder: Path, training: WorldModelTraining, seed: int, device: torch.device) -> WorldModelTrainer:
    """Return the trainer of a world model at its first step.

    All models of one training seed read the same rows in the same order, with the same draws of the latents.

    Args:
        folder: of the latents.
        training: what is trained.
        seed, device: of the run.
    """
    episodes = latents.read(folder)
    return WorldModelTrainer(
        training.model.build(seeding.torch_generator(seed, "world model", training.training_seed)).to(device),
        Experience(*(column[: episodes.training_rows] for column in episodes.experience)),
        generator=seeding.torch_generator(seed, "streams", training.training_seed),
        batch_size=training.batch_size,
        seq_len=training.seq_len,
        lr=training.lr,
        schedule=training.schedule,
    )


def world_model_weights(trainer: WorldModelTrainer) -> dict[str, Tensor]:
    """Return what is kept of a training."""
    return trainer.model.state_dict()


def load_world_model(folder: Path, training: WorldModelTraining) -> WorldModel:
    """Return a trained world model, on the CPU."""
    model = training.model.build(torch.Generator())
    model.load_state_dict(load_output(folder, training.steps))
    return model.eval()


def train_each(
    run: Run,
    encoded: Sequence[EncodedEpisodes],
    trainings: Mapping[str, WorldModelTraining],
    seeds: Mapping[str, int] | None = None,
) -> dict[str, list[WorldModel]]:
    """Train several world models for every training seed, all side by side.

    Args:
        encoded: of each training seed.
        trainings: by name.
        seeds: by name how many of the training seeds, the first ones; where there is no number, all.

    Returns:
        by name the models, on the CPU, one for each training seed; names without any seed are left out.
    """
    counts = {name: (seeds or {}).get(name, len(encoded)) for name in trainings}
    by_seed = {
        (name, i): replace(training, training_seed=i)
        for i in range(len(encoded))
        for name, training in trainings.items()
        if i < counts[name]
    }
    folders = train(run, [encoded[i] for _, i in by_seed], list(by_seed.values()))
    models = {key: load_world_model(folder, by_seed[key]) for key, folder in zip(by_seed, folders, strict=True)}
    return {name: [models[name, i] for i in range(count)] for name, count in counts.items() if count}


def predictions(
    run: Run,
    encoded: Sequence[EncodedEpisodes],
    world_models: Mapping[str, Sequence[WorldModel]],
    trainings: Mapping[str, WorldModelTraining],
    *,
    seen: int = SEEN,
    ahead: int = AHEAD,
) -> dict:
    """Return how well world models predict held-out episodes, those on which no tuning was chosen.

    Args:
        encoded: of each training seed.
        world_models: by name, a model for each training seed, or for the first ones.
        trainings: by name; a model without any training is not asked to predict many steps.
        seen, ahead: steps shown first, and predicted after these, see `measures.open_loop`.

    Returns:
        evaluated: by name, for each training seed, what `measures.evaluate` returns; copy, entropy: for each training seed,
        `measures.copy_baseline` and `measures.posterior_entropy`; ahead: by name, and for "copy baseline", the error of the
        first training seed's model by horizon (ahead,).
    """
    names = list(world_models)
    trained = [name for name in names if trainings[name].rows > 0]
    models = [list(world_models[name]) for name in names]
    predict_many = [name in trained for name in names]
    draws = run.torch_rng("held-out latents")
    rng = run.rng("open loop")
    results = run.cached(evaluate_models, list(encoded), models, predict_many, seen, ahead, draws, rng)
    errors_ahead = {name: errors["model"] for name, errors in zip(trained, results["ahead"], strict=True)}
    return {
        "evaluated": dict(zip(names, results["evaluated"], strict=True)),
        "copy": results["copy"],
        "entropy": results["entropy"],
        "ahead": {**errors_ahead, "copy baseline": results["ahead"][0]["copy"]},
    }


def evaluate_model(folder: Path, model: WorldModel, seed: int, part: str) -> dict[str, Any]:
    """Return what `measures.evaluate` says of one world model; in this process.

    Args:
        folder: of the latents.
        model: the world model, on the CPU.
        seed: of the draws.
        part: of the episodes, see `LatentEpisodes.part`.
    """
    episodes = latents.read(folder)
    return measures.evaluate(model, episodes.experience, episodes.part(part), seeding.torch_generator(seed, "evaluation"))


def score_training(folder: Path, training: WorldModelTraining, seed: int, device: torch.device) -> dict[str, Any]:
    """Train a world model, and return what `evaluate_model` says of it on the episodes of the search; in this process.

    Args:
        folder: of the latents.
        training: what is trained.
        seed, device: of the run.

    Returns:
        of a training that diverges an infinite nll and a strict_recall of 0.
    """
    trainer = begin_training(folder, training, seed, device)
    try:
        for _ in trainer.run(training.steps):
            pass
    except TrainingDivergedError:
        return {"nll": math.inf, "strict_recall": 0.0}
    return evaluate_model(folder, trainer.model.cpu().eval(), seed, "search")


def evaluate_models(
    encoded: Sequence[EncodedEpisodes],
    models: Sequence[Sequence[WorldModel]],
    predict_many: Sequence[bool],
    seen: int,
    ahead: int,
    draws: torch.Generator,
    rng: np.random.Generator,
) -> dict[str, list]:
    """Evaluate world models on the part "test" of the episodes.

    Args:
        encoded: of each training seed.
        models: of each kind, a model for each training seed.
        predict_many: for each kind, whether its first model predicts many steps too.
        seen, ahead: as for `predictions`.
        draws: for the latents.
        rng: for the rows from which many steps are predicted.

    Returns:
        evaluated: of each kind, for each training seed, what `measures.evaluate` returns; copy, entropy: for each training
        seed; ahead: of each kind that predicts many steps, what `measures.open_loop` returns.
    """
    folders = [each.latents for each in encoded]
    episodes = {folder: latents.read(folder) for folder in folders}  # training seeds that share a VAE share all of these
    tests = {folder: each.part("test") for folder, each in episodes.items()}
    evaluated = []
    for kind in models:
        cases = zip(kind, folders[: len(kind)], strict=True)
        evaluated.append(
            [measures.evaluate(model, episodes[folder].experience, tests[folder], draws) for model, folder in cases]
        )
    copies = {}
    entropies = {}
    for folder, (table, _, _) in episodes.items():
        training_rows = np.arange(episodes[folder].training_rows)
        copies[folder] = measures.copy_baseline(table, training_rows, tests[folder], draws)
        entropies[folder] = measures.posterior_entropy(table, np.concatenate(tests[folder]))
    starts = measures.draw_starts(tests[folders[0]], seen + ahead, rng)
    table = episodes[folders[0]].experience
    return {
        "evaluated": evaluated,
        "copy": [copies[folder] for folder in folders],
        "entropy": [entropies[folder] for folder in folders],
        "ahead": [
            measures.open_loop(kind[0], table, starts, draws, seen=seen, ahead=ahead)
            for kind, is_asked in zip(models, predict_many, strict=True)
            if is_asked
        ],
    }
