"""Learn again from the agents' own games: the iterative recipe of World Models, for Doom.

Reading guide. `run_rounds` goes from one round to the next and returns a row for each: does M foresee the deaths of its own
agent, how long does the agent live in dreams and in the game, and how much does it lose blindfolded? `another_round` is one
round: the agents' games are added, all of M is learnt anew, controllers are evolved against several world models, and the best
of the means on the way is chosen on validation games.

Why: a model that has seen only random play misses most deaths of a good player, so evolution finds where it is blind.

Source: Ha & Schmidhuber 2018, the iterative training procedure; Mufti, Penkov & Ramamoorthy 2019. Scaled features, the minimum
over world models and the choice on validation games are ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import seeding
from wmlib.experiment.claims import Gate, report
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.vae import pipeline as vae_pipeline
from wmlib.lessons.vizdoom_dream import closed_loop, controllers, games, measures, pipeline
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import EncodedEpisodes, WorldModelTraining, evaluate_model
from wmlib.models.world_model import WorldModel
from wmlib.rollouts import Rollouts, joined
from wmlib.training.jobs import cached_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

OTHER_SEEDS = 2000  # training seeds of a round's further world models: this number, twice it, …, and on
RECALL = 0.5  # of the agent's own deaths, at one false alarm in a thousand steps: gate of a round
SCALED_ON = 32  # held-out episodes from which the features' standard deviations are taken


@dataclass(frozen=True)
class RoundConfig:
    """Describe a round, its world models' training aside.

    Args:
        evolution: of the controllers.
        games: games of each agent that are added.
        models: world models, the agent's own included; a candidate counts by its shortest life among them.
        scaled: True lets candidates see features of equal standard deviation.
        trail_games: validation games for each mean of the evolution's trail; 0: the mean is chosen in dreams.
    """

    evolution: EvolutionConfig
    games: int
    models: int = 2
    scaled: bool = True
    trail_games: int = 100


class Players(NamedTuple):
    """Hold the agents of a round, one for each training seed: what they learnt from, they themselves, their controllers."""

    encoded: list[EncodedEpisodes]
    agents: list[WorldModelsAgent]
    controllers: list[EvolvedController]


def round_config(settings: Any, evolution: EvolutionConfig) -> RoundConfig:
    """Return the rounds of notebook 05.

    Args:
        settings: the notebook's, resolved.
        evolution: of the first agents.
    """
    return RoundConfig(
        replace(evolution, generations=settings.round_generations),
        settings.round_games,
        settings.round_models,
        settings.scale_features,
        settings.trail_games,
    )


def run_rounds(
    run: Run,
    first: Players,
    training: WorldModelTraining,
    config: RoundConfig,
    count: int,
    background: np.ndarray,
    *,
    stop: bool = False,
) -> list[dict[str, Any]]:
    """Do so many rounds; return a row for each, the first agents' before them.

    Args:
        first: the agents that were evolved in dreams of random play.
        training: of the world models.
        config: of each round.
        count: rounds.
        background: for the blindfold, see `closed_loop`.
        stop: end the run where a gate is missed.

    Returns:
        rows, lists over training seeds: round; recall, of the agent's own deaths by its M; held_out, of the deaths of the agent
        before by the new M (empty in the first row); dream, steps; tics, (training seeds, test games); lost, tics lost
        blindfolded, (training seeds, closed-loop games).
    """
    players = first
    rows = [row_of(run, players, 0, [], config.games, background)]
    for number in range(1, count + 1):
        players, held_out = another_round(run, players, training, config, number)
        report(held_out_gate(number, held_out), stop=stop)
        rows.append(row_of(run, players, number, held_out, config.games, background))
    return rows


def another_round(
    run: Run, players: Players, training: WorldModelTraining, config: RoundConfig, number: int
) -> tuple[Players, list[float]]:
    """Learn M and C anew from all episodes so far and the agents' own games; V stays.

    Args:
        players: the agents so far.
        training, config: how world models and controllers are made.
        number: of the round, from 1; other numbers, other games.

    Returns:
        the new agents, and the recall of their world models on the held-out games of the agents before.
    """
    data = [
        more_experience(run, agent, each.data, number, config.games)
        for agent, each in zip(players.agents, players.encoded, strict=True)
    ]
    encoded = pipeline.encode(run, data, [each.vae for each in players.encoded])
    models = [pipeline.train_each(run, encoded, {"M": training}, first_seed=OTHER_SEEDS * i)["M"] for i in range(config.models)]
    held_out = recalls(run, encoded, models[0])
    evolved = evolve(run, encoded, models, config)
    agents = [controllers.make_agent(*parts) for parts in zip(encoded, models[0], evolved, strict=True)]
    if config.trail_games:
        evolved = [best_of_trail(run, *pair, config) for pair in zip(agents, evolved, strict=True)]
        agents = [controllers.make_agent(*parts) for parts in zip(encoded, models[0], evolved, strict=True)]
    return Players(encoded, agents, evolved), held_out


def evolve(
    run: Run, encoded: Sequence[EncodedEpisodes], models: Sequence[Sequence[WorldModel]], config: RoundConfig
) -> list[EvolvedController]:
    """Evolve a controller for each training seed.

    Args:
        encoded: of each training seed.
        models: the agents' own world models, one for each training seed, and others.
        config: of the round.
    """
    own, *more = models
    names = config.evolution.names
    scales: list[np.ndarray | None] = [None] * len(own)
    if config.scaled:
        cases = zip(encoded, own, strict=True)
        scales = [run.cached(feature_scale, each.latents, each.data.folder, model, names, run.seed) for each, model in cases]
    configs = [replace(config.evolution, training_seed=i) for i in range(len(own))]
    others = [[of_kind[i] for of_kind in more] for i in range(len(own))]
    folders = controllers.evolve(run, encoded, own, configs, others, scales)
    return [controllers.load_controller(*pair) for pair in zip(folders, configs, strict=True)]


def feature_scale(latents: Path, episodes: Path, model: WorldModel, names: Sequence[str], seed: int) -> np.ndarray:
    """Return the standard deviation of each feature on held-out episodes; see `measures.feature_deviation`."""
    data = Rollouts(episodes)
    held_out = vae_pipeline.split(data)[1][:SCALED_ON]
    generator = seeding.torch_generator(seed, "feature scale")
    return measures.feature_deviation(model, pipeline.experience(latents, data), held_out, names, generator)


def best_of_trail(run: Run, agent: WorldModelsAgent, controller: EvolvedController, config: RoundConfig) -> EvolvedController:
    """Return a controller with the mean, of all that its evolution validated, that lives longest in validation games.

    Args:
        agent: with the controller.
        controller: what was evolved.
        config: of the round.
    """
    agents = [controllers.with_weights(agent, weights) for weights in controller.validated]
    lives = [tics.mean() for tics in games.play(run, agents, config.trail_games, "round validation")]
    best = int(np.argmax(lives))
    every = config.evolution.validate_every
    score = float(controller.history[every - 1 :: every, 2][best])
    return controller._replace(weights=controller.validated[best], score=score)


def more_experience(run: Run, agent: WorldModelsAgent, before: Rollouts, number: int, count: int) -> Rollouts:
    """Return the episodes of a next round: those before, and after them games of an agent.

    Args:
        agent: who plays.
        before: episodes so far.
        number: of the round, from 1; other numbers, other games.
        count: games, rounded up to whole shards.
    """
    new = own_games(run, agent, before, number, count)
    return Rollouts(run.cached_folder(join_episodes, [before, new]) / "episodes")


def own_games(run: Run, agent: WorldModelsAgent, before: Rollouts, number: int, count: int) -> Rollouts:
    """Return recorded games of an agent; arguments as for `more_experience`."""
    shard = before.manifest["shard_episodes"]
    return games.record_episodes(run, agent, shard * -(-count // shard), f"round {number}", shard)


def join_episodes(folder: Path, parts: Sequence[Rollouts]) -> None:
    """Put collections one after another into a folder `episodes`."""
    shutil.rmtree(folder / "episodes", ignore_errors=True)  # of an attempt that was killed
    joined.join(folder / "episodes", parts)


def recalls(run: Run, encoded: Sequence[EncodedEpisodes], models: Sequence[WorldModel], part: str = "held out") -> list[float]:
    """Return the recall of deaths at one false alarm in a thousand steps, of the model of each training seed.

    Args:
        encoded: of each training seed; a round's held-out episodes are its last ones, games of the agent.
        models: one for each.
        part: of the episodes, see `pipeline.part_of`.
    """
    calls = [
        {
            "latents": each.latents,
            "episodes": each.data.folder,
            "model": model,
            "seed": run.seed,
            "part": part,
        }
        for each, model in zip(encoded, models, strict=True)
    ]
    results = cached_map(run.cache, evaluate_model, calls, "recall of deaths", parallel=len(calls) > 1)
    return [float(result["strict_recall"]) for result in results]


def held_out_gate(number: int, held_out: Sequence[float]) -> Gate:
    """Return the gate of a round: the new M foresees the deaths of the agent before.

    Args:
        number: of the round.
        held_out: recall of each training seed; one alone counts as fixed.
    """
    values = {"hits": [[recall, recall] for recall in held_out], "counts": [1, 1]}
    return Gate(f"round {number}: recall of own deaths above {RECALL:.0%}", Evidence("ratio_of_sums", values), RECALL)


def row_of(
    run: Run, players: Players, number: int, held_out: Sequence[float], count: int, background: np.ndarray
) -> dict[str, Any]:
    """Return what became of a round; see `run_rounds`.

    Args:
        players: its agents.
        number: of the round.
        held_out: see `run_rounds`.
        count: games of each agent, on which M's recall is measured: it has not seen them, and the next round learns from them.
        background: for the blindfold.
    """
    cases = zip(players.agents, players.encoded, strict=True)
    own = [own_games(run, agent, each.data, number + 1, count) for agent, each in cases]
    encoded = pipeline.encode(run, own, [each.vae for each in players.encoded])
    models = [agent.world_model for agent in players.agents]
    blindfolded = [closed_loop.HandicappedAgent(agent, closed_loop.BLINDFOLD, background) for agent in players.agents]
    settings = run.settings
    played = games.play_each(run, {"tics": players.agents}, settings.games, "test")["tics"]
    blind = games.play_each(run, {"tics": blindfolded}, settings.closed_loop_games, "test")["tics"]
    return {
        "round": number,
        "recall": recalls(run, encoded, models, "all"),
        "held_out": list(held_out),
        "dream": [controller.score for controller in players.controllers],
        "tics": played,
        "lost": played[:, : settings.closed_loop_games] - blind,
    }
