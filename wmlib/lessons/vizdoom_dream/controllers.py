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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from wmlib.agents import linear_controller
from wmlib.agents.dream import Dreams, dream_returns
from wmlib.agents.evolution import Evolution
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import seeding
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS, EncodedEpisodes, experience
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel
from wmlib.rollouts import Rollouts
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


def starts(latents: Path, data: Rollouts) -> Posterior:
    """Return the posteriors of the first frames of all episodes; arguments as for `pipeline.experience`."""
    table = experience(latents, data)
    return Posterior(*(torch.from_numpy(column[data.starts].astype(np.float32)) for column in (table.mean, table.log_variance)))


def dreams(config: EvolutionConfig, model: WorldModel, begin: Posterior, seed: int) -> Dreams:
    """Return the dreams of a world model.

    Args:
        config: temperature and length.
        model: on any device.
        begin: posteriors of the frames at which dreams may begin.
        seed: which dreams.
    """
    return Dreams(model, ACTIONS, begin, seed=seed, max_steps=config.max_steps, temperature=config.temperature)


def standing_still(run: Run, encoded: EncodedEpisodes, model: WorldModel, config: EvolutionConfig, count: int = 100) -> float:
    """Return the mean steps that a player who never moves lives in dreams of a model: its score in the game is known.

    Args:
        encoded: at whose first frames the dreams begin.
        model: the world model.
        config: temperature and length of the dreams.
        count: dreams.
    """
    seed = seeding.entropy(run.seed, "standing still") % 2**31
    return run.cached(noop_dream_length, config, model, starts(encoded.latents, encoded.data), seed, count)


def noop_dream_length(config: EvolutionConfig, model: WorldModel, begin: Posterior, seed: int, count: int) -> float:
    """Return the mean steps that a controller of zeros, which always stays, lives in so many dreams."""
    weights = torch.zeros(1, linear_controller.num_features(model, ("z",)))
    return float(dream_returns(dreams(config, model, begin, seed), weights, ("z",), range(count)).mean())


def evolve(
    run: Run, encoded: Sequence[EncodedEpisodes], models: Sequence[WorldModel], configs: Sequence[EvolutionConfig]
) -> list[Path]:
    """Evolve controllers, each in the dreams of its model; return their folders, for `load_controller`.

    Args:
        encoded: for each controller, at whose first frames its dreams begin.
        models: for each, the world model, on the CPU.
        configs: for each, how it is evolved.
    """
    jobs = [
        Job(
            begin_evolution,
            {
                "latents": each.latents,
                "episodes": each.data.folder,
                "model": model,
                "config": config,
                "seed": run.seed,
                "device": run.device,
            },
            config.generations,
            evolution_results,
        )
        for each, model, config in zip(encoded, models, configs, strict=True)
    ]
    return run_jobs(run.cache, jobs, "generations", block=5, parallel_from=3)


def begin_evolution(
    latents: Path, episodes: Path, model: WorldModel, config: EvolutionConfig, seed: int, device: torch.device
) -> Evolution:
    """Return an evolution at its first generation.

    Args:
        latents, episodes: folders.
        model: the world model; it is copied to the device.
        config: how it is evolved.
        seed, device: of the run.
    """
    begin = starts(latents, Rollouts(episodes))
    dreams_seed = seeding.entropy(seed, "dreams", config.training_seed) % 2**31
    return Evolution(
        dreams(config, copy.deepcopy(model).to(device), begin, dreams_seed),
        config.names,
        rng=seeding.generator(seed, "controller", config.training_seed),
        population=config.population,
        trials=config.trials,
        validate_every=config.validate_every,
    )


def evolution_results(evolution: Evolution) -> dict[str, Any]:
    """Return what is kept of an evolution: the fields of `EvolvedController`, but for its names."""
    return {
        "weights": evolution.best,
        "score": evolution.best_score,
        "history": np.array(evolution.history, np.float64),
        "validated": np.stack(evolution.validated),
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
) -> dict[str, list[EvolvedController]]:
    """Evolve several controllers for every training seed, all side by side.

    Args:
        encoded: of each training seed.
        world_models: by name, a model for each training seed.
        evolutions: by name of the agent, the name of its world model and how its controller is evolved.

    Returns:
        by name of the agent the controllers, one for each training seed.
    """
    seeds = range(len(encoded))
    configs = {(name, i): replace(config, training_seed=i) for name, (_, config) in evolutions.items() for i in seeds}
    models = [world_models[evolutions[name][0]][i] for name, i in configs]
    folders = evolve(run, [encoded[i] for _, i in configs], models, list(configs.values()))
    controllers = {key: load_controller(folder, configs[key]) for key, folder in zip(configs, folders, strict=True)}
    return {name: [controllers[name, i] for i in seeds] for name in evolutions}


def make_agents(
    encoded: Sequence[EncodedEpisodes],
    world_models: Mapping[str, Sequence[WorldModel]],
    evolutions: Mapping[str, tuple[str, EvolutionConfig]],
    evolved: Mapping[str, Sequence[EvolvedController]],
) -> dict[str, list[WorldModelsAgent]]:
    """Return the agents by name, one for each training seed; arguments as for `evolve_each`, and what that returned."""
    return {
        name: [
            make_agent(each, model, controller)
            for each, model, controller in zip(encoded, world_models[world_model], evolved[name], strict=True)
        ]
        for name, (world_model, _) in evolutions.items()
    }
