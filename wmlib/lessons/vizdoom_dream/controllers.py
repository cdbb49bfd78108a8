"""The pipeline of notebook 05, second part: controllers evolved in the dreams of world models, and whole agents.

Reading guide. `evolve` evolves controllers and `load_controller` reads one; `EvolutionConfig` says how. `dreams` are those of a
world model, and `standing_still` tries them with a player whose score in the game is known. `make_agent` puts VAE, world model
and controller together. What agents do in the real game is in `games.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch

from wmlib.agents import linear_controller
from wmlib.agents.dream import Dreams, dream_returns
from wmlib.agents.evolution import Evolution
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import seeding
from wmlib.lessons.vizdoom_dream import latents
from wmlib.lessons.vizdoom_dream.latents import ACTIONS
from wmlib.lessons.vizdoom_dream.pipeline import EncodedEpisodes
from wmlib.lessons.vizdoom_dream.robust import PairedModel, RobustEvolution
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel
from wmlib.training.jobs import Job, load_output, run_jobs

if TYPE_CHECKING:
    from wmlib.experiment.run import Run


@dataclass(frozen=True)
class EvolutionConfig:
    """Describe a controller and its evolution, the world model aside; see `Evolution` and `Dreams`.

    Args:
        names: the features that the controller sees, see `linear_controller.features`.
        generations: of the evolution.
        population: candidates a generation.
        trials: dreams a candidate lives through in a generation.
        temperature: of the dreams.
        max_steps: longest dream.
        training_seed: number of the training seed.
        validate_every: generations from one validation to the next.
    """

    names: tuple[str, ...] = ("z", "h", "c")
    generations: int = 30
    population: int = 64
    trials: int = 16
    temperature: float = 1.0
    max_steps: int = 2100
    training_seed: int = 0
    validate_every: int = 5


class EvolvedController(NamedTuple):
    """Hold the result of an evolution."""

    names: tuple[str, ...]  # the features that it sees
    weights: np.ndarray  # float64 (F,)
    score: float  # mean steps lived in the validation dreams
    history: np.ndarray  # float64 (generations, 3), see `evolution.Generation`
    validated: np.ndarray  # float64 (validations, F), all means that were tried in the validation dreams


def evolution_config(settings: Any) -> EvolutionConfig:
    """Return the evolution of notebook 05.

    Args:
        settings: the notebook's, resolved.
    """
    return EvolutionConfig(
        generations=settings.generations,
        population=settings.population,
        trials=settings.trials,
        temperature=settings.temperature,
        max_steps=settings.max_steps,
    )


def starts(folder: Path) -> Posterior:
    """Return the posteriors of the first frames of all episodes of a folder of latents, (episodes, Z)."""
    episodes = latents.read(folder)
    return episodes.experience.posterior(episodes.starts)


def dreams(config: EvolutionConfig, model: WorldModel | PairedModel, begin: Posterior, seed: int) -> Dreams:
    """Return the dreams of a world model.

    Args:
        config: temperature and length.
        model: on any device.
        begin: posteriors of the frames at which dreams may begin.
        seed: which dreams.
    """
    return Dreams(
        cast(WorldModel, model), ACTIONS, begin, seed=seed, max_steps=config.max_steps, temperature=config.temperature
    )


def standing_still(
    run: Run, encoded: EncodedEpisodes, model: WorldModel, config: EvolutionConfig, count: int = 100
) -> np.ndarray:
    """Return the steps that a player who never moves lives in dreams of a model: its score in the game is known.

    Args:
        encoded: at whose first frames the dreams begin.
        model: the world model.
        config: temperature and length of the dreams.
        count: dreams.

    Returns:
        float64 (count,).
    """
    seed = seeding.entropy(run.seed, "standing still") % 2**31
    return run.cached(noop_dream_lengths, config, model, starts(encoded.latents), seed, count)


def noop_dream_lengths(config: EvolutionConfig, model: WorldModel, begin: Posterior, seed: int, count: int) -> np.ndarray:
    """Return the steps that a controller of zeros, which always stays, lives in each of so many dreams, float64 (count,)."""
    weights = torch.zeros(1, linear_controller.num_features(model, ("z",)))
    return dream_returns(dreams(config, model, begin, seed), weights, ("z",), range(count))[0]


def evolve(
    run: Run,
    encoded: Sequence[EncodedEpisodes],
    models: Sequence[WorldModel],
    configs: Sequence[EvolutionConfig],
    others: Sequence[Sequence[WorldModel]] | None = None,
    scales: Sequence[np.ndarray | None] | None = None,
) -> list[Path]:
    """Evolve controllers, each in the dreams of its model; return their folders, for `load_controller`.

    Args:
        encoded: for each controller, at whose first frames its dreams begin.
        models: for each, the world model, on the CPU.
        configs: for each, how it is evolved.
        others: for each, more world models in whose dreams its candidates live too, see `RobustEvolution`; None: none.
        scales: for each, by what features are divided, float (F,); None: by nothing.
    """
    others = others or [[]] * len(models)
    scales = scales or [None] * len(models)
    jobs = [
        Job(
            begin_evolution,
            {
                "folder": each.latents,
                "model": model,
                "config": config,
                "seed": run.seed,
                "device": run.device,
                "others": list(more),
                "scale": scale,
            },
            config.generations,
            evolution_results,
        )
        for each, model, config, more, scale in zip(encoded, models, configs, others, scales, strict=True)
    ]
    return run_jobs(run.cache, jobs, "generations", block=5, parallel_from=3)


def begin_evolution(
    folder: Path,
    model: WorldModel,
    config: EvolutionConfig,
    seed: int,
    device: torch.device,
    others: Sequence[WorldModel],
    scale: np.ndarray | None,
) -> Evolution:
    """Return an evolution at its first generation.

    Args:
        folder: of the latents.
        model: the world model; it is copied to the device.
        config: how it is evolved.
        seed, device: of the run; with several world models it is evolved on the CPU.
        others, scale: see `evolve`.
    """
    begin = starts(folder)
    dreams_seed = seeding.entropy(seed, "dreams", config.training_seed) % 2**31
    options: dict[str, Any] = {
        "rng": seeding.generator(seed, "controller", config.training_seed),
        "population": config.population,
        "trials": config.trials,
        "validate_every": config.validate_every,
    }
    if not others and scale is None:
        own = dreams(config, copy.deepcopy(model).to(device), begin, dreams_seed)
        return Evolution(own, config.names, **options)
    size = linear_controller.num_features(model, config.names)
    all_dreams = [dreams(config, model, begin, dreams_seed)]
    all_dreams += [dreams(config, PairedModel(model, other), begin, dreams_seed) for other in others]
    return RobustEvolution(all_dreams, config.names, np.ones(size) if scale is None else scale, **options)


def evolution_results(evolution: Evolution) -> dict[str, Any]:
    """Return what is kept of an evolution: the fields of `EvolvedController`, but for its names."""
    scaled = evolution.scaled if isinstance(evolution, RobustEvolution) else np.asarray
    return {
        "weights": scaled(evolution.best),
        "score": evolution.best_score,
        "history": np.array(evolution.history, np.float64),
        "validated": scaled(np.stack(evolution.validated)),
    }


def load_controller(folder: Path, config: EvolutionConfig) -> EvolvedController:
    """Return an evolved controller."""
    return EvolvedController(config.names, **load_output(folder, config.generations))


def make_agent(encoded: EncodedEpisodes, model: WorldModel, controller: EvolvedController) -> WorldModelsAgent:
    """Put VAE, world model and controller together.

    Args:
        encoded: whose VAE.
        model: the world model in whose dreams the controller was evolved.
        controller: what it sees, and its weights.
    """
    return WorldModelsAgent(encoded.vae, model, torch.from_numpy(controller.weights), controller.names, ACTIONS)


def with_weights(agent: WorldModelsAgent, weights: np.ndarray) -> WorldModelsAgent:
    """Return an agent with the same VAE and world model and other weights of the controller, float (F,)."""
    return WorldModelsAgent(agent.vae, agent.world_model, torch.from_numpy(weights), agent.names, agent.actions)


def evolve_each(
    run: Run,
    encoded: Sequence[EncodedEpisodes],
    world_models: Mapping[str, Sequence[WorldModel]],
    evolutions: Mapping[str, tuple[str, EvolutionConfig]],
    seeds: Mapping[str, int] | None = None,
) -> dict[str, list[EvolvedController]]:
    """Evolve several controllers for every training seed, all side by side.

    Args:
        encoded: of each training seed.
        world_models: by name, a model for each training seed, or for the first ones.
        evolutions: by name of the agent, the name of its world model and how its controller is evolved.
        seeds: by name of the agent how many of the training seeds, the first ones; where there is no number, all of its
            world models.

    Returns:
        by name of the agent the controllers, one for each training seed; names without any seed are left out.
    """
    available = {name: len(world_models.get(model, ())) for name, (model, _) in evolutions.items()}
    counts = {name: min(count, (seeds or {}).get(name, count)) for name, count in available.items()}
    configs = {
        (name, i): replace(config, training_seed=i) for name, (_, config) in evolutions.items() for i in range(counts[name])
    }
    models = [world_models[evolutions[name][0]][i] for name, i in configs]
    folders = evolve(run, [encoded[i] for _, i in configs], models, list(configs.values()))
    controllers = {key: load_controller(folder, configs[key]) for key, folder in zip(configs, folders, strict=True)}
    return {name: [controllers[name, i] for i in range(count)] for name, count in counts.items() if count}


def make_agents(
    encoded: Sequence[EncodedEpisodes],
    world_models: Mapping[str, Sequence[WorldModel]],
    evolutions: Mapping[str, tuple[str, EvolutionConfig]],
    evolved: Mapping[str, Sequence[EvolvedController]],
) -> dict[str, list[WorldModelsAgent]]:
    """Return the agents by name, one for each controller; arguments as for `evolve_each`, and what that returned."""
    return {
        name: [make_agent(encoded[i], world_models[evolutions[name][0]][i], controller) for i, controller in enumerate(of_name)]
        for name, of_name in evolved.items()
    }
