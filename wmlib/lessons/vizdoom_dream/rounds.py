"""Learn again from the agents' own games: the iterative recipe of World Models, for Doom.

Reading guide. `run_rounds` goes from one round to the next and returns a row for each: does M foresee the deaths of its own
agent, how long does the agent live in dreams and in the game, and how much does it lose blindfolded? `another_round` is one
round: the agents' games are added, all of M is learnt anew, controllers are evolved against several world models, and the best
of the means on the way is chosen on validation games. The agents of all kinds and training seeds go through a round side by
side, in one list.

Why: a model that has seen only random play misses most deaths of a good player, so evolution finds where it is blind.

Source: Ha & Schmidhuber 2018, the iterative training procedure; Mufti, Penkov & Ramamoorthy 2019. Scaled features, the minimum
over world models and the choice on validation games are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import seeding
from wmlib.experiment.claims import Gate, report
from wmlib.experiment.statistics import Evidence
from wmlib.lessons.vizdoom_dream import closed_loop, controllers, games, latents, measures, pipeline
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import EncodedEpisodes, WorldModelTraining, evaluate_model
from wmlib.models.world_model import WorldModel
from wmlib.training.jobs import cached_map

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

T = TypeVar("T")
OTHER_SEEDS = 2000  # training seeds of a round's further world models: this number, twice it, …, and on
RECALL = 0.5  # of the agent's own deaths, at one false alarm in a thousand steps: gate of a round
RECALL_GAMES = 100  # of the last agents, on which the recall of their M is measured: no round learns from these
SCALED_ON = 32  # at most so many of an agent's held-out games give the features' standard deviations


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


class Player(NamedTuple):
    """Hold one agent, and what the next round makes it anew from.

    Args:
        name: of its kind, the same for all its training seeds.
        training: of its world model, with the training seed.
        encoded: what its world model has learnt from.
        controller: what was evolved.
        agent: V, M and C.
    """

    name: str
    training: WorldModelTraining
    encoded: EncodedEpisodes
    controller: EvolvedController
    agent: WorldModelsAgent


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
    run: Run, first: Sequence[Player], config: RoundConfig, count: int, background: np.ndarray, *, stop: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Do so many rounds; return a row for each, the first agents' before them.

    Args:
        first: the agents that were evolved in dreams of random play, those of a kind in the order of their training seeds.
        config: of each round.
        count: rounds.
        background: for the blindfold, see `closed_loop`.
        stop: end the run where a gate is missed.

    Returns:
        by name of the agents rows, lists over training seeds: round; recall, of the agent's own deaths by its M; held_out, of
        the deaths of the agent before by the new M (empty in the first row); dream, steps; tics, (training seeds, test games);
        lost, tics lost blindfolded, (training seeds, closed-loop games).
    """
    players = list(first)
    held_out: dict[str, list[float]] = {player.name: [] for player in players}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in held_out}
    for number in range(count + 1):
        own_count = config.games if number < count else min(config.games, RECALL_GAMES)
        own = games.record_latents(run, [player.agent for player in players], own_count, f"round {number + 1}")
        for name, row in measure(run, players, own, background).items():
            rows[name].append({"round": number, "held_out": held_out[name], **row})
        if number < count:
            players, held_out = another_round(run, players, own, config)
            for name, recall in held_out.items():
                report(held_out_gate(name, number + 1, recall), stop=stop)
    return rows


def another_round(
    run: Run, players: Sequence[Player], own: Sequence[Path], config: RoundConfig
) -> tuple[list[Player], dict[str, list[float]]]:
    """Learn M and C anew from all episodes so far and the agents' own games; V stays.

    Args:
        players: the agents so far.
        own: of each the latents of its own games; their last episodes are held out.
        config: how controllers are made.

    Returns:
        the new agents; and by name the recalls of their world models on the held-out games of the agents before.
    """
    encoded = [
        player.encoded._replace(latents=run.cached_folder(latents.join, [player.encoded.latents, games_of_player]))
        for player, games_of_player in zip(players, own, strict=True)
    ]
    trainings = [
        replace(player.training, training_seed=player.training.training_seed + OTHER_SEEDS * i)
        for i in range(config.models)
        for player in players
    ]
    folders = pipeline.train(run, encoded * config.models, trainings)
    trained = [pipeline.load_world_model(*pair) for pair in zip(folders, trainings, strict=True)]
    models = [trained[i :: len(players)] for i in range(len(players))]  # of each agent, its own first
    evolved = evolve(run, players, encoded, own, models, config)
    agents = [controllers.make_agent(each, model[0], c) for each, model, c in zip(encoded, models, evolved, strict=True)]
    if config.trail_games:
        evolved = best_of_trails(run, agents, evolved, config)
        agents = [controllers.with_weights(*pair) for pair in zip(agents, [c.weights for c in evolved], strict=True)]
    parts = zip(players, encoded, evolved, agents, strict=True)
    new = [player._replace(encoded=each, controller=c, agent=agent) for player, each, c, agent in parts]
    return new, by_name(players, recalls(run, own, [model[0] for model in models], "held out"))


def evolve(
    run: Run,
    players: Sequence[Player],
    encoded: Sequence[EncodedEpisodes],
    own: Sequence[Path],
    models: Sequence[Sequence[WorldModel]],
    config: RoundConfig,
) -> list[EvolvedController]:
    """Evolve a controller for each agent.

    Args:
        players: the agents so far.
        encoded: of each, at whose first frames its dreams begin.
        own: of each the latents of its own games, whose held-out episodes give the scale of the features.
        models: of each its own world model, and others.
        config: of the round.
    """
    scales: list[np.ndarray | None] = [None] * len(players)
    if config.scaled:
        calls = [
            {"folder": folder, "model": model, "names": config.evolution.names, "seed": run.seed}
            for folder, (model, *_) in zip(own, models, strict=True)
        ]
        scales = cached_map(run.cache, feature_scale, calls, "scales of features", parallel=len(calls) > 1)
    configs = [replace(config.evolution, training_seed=player.training.training_seed) for player in players]
    folders = controllers.evolve(run, encoded, [each[0] for each in models], configs, [each[1:] for each in models], scales)
    return [controllers.load_controller(*pair) for pair in zip(folders, configs, strict=True)]


def feature_scale(folder: Path, model: WorldModel, names: Sequence[str], seed: int) -> np.ndarray:
    """Return the standard deviation of each feature on held-out episodes; see `measures.feature_deviation`.

    Args:
        folder: of the latents.
        model: whose features.
        names: the features.
        seed: of the run.
    """
    episodes = latents.read(folder)
    generator = seeding.torch_generator(seed, "feature scale")
    return measures.feature_deviation(model, episodes.experience, episodes.part("held out")[:SCALED_ON], names, generator)


def best_of_trails(
    run: Run, agents: Sequence[WorldModelsAgent], evolved: Sequence[EvolvedController], config: RoundConfig
) -> list[EvolvedController]:
    """Return each controller with the mean, of all that its evolution validated, that lives longest in validation games.

    Args:
        agents: with the controllers.
        evolved: the controllers.
        config: of the round.
    """
    trails = [
        controllers.with_weights(agent, weights)
        for agent, controller in zip(agents, evolved, strict=True)
        for weights in controller.validated
    ]
    lives = [tics.mean() for tics in games.play(run, trails, config.trail_games, "round validation")]
    every = config.evolution.validate_every
    chosen = []
    for controller, best in zip(evolved, np.reshape(lives, (len(agents), -1)).argmax(1), strict=True):
        score = float(controller.history[every - 1 :: every, 2][best])
        chosen.append(controller._replace(weights=controller.validated[best], score=score))
    return chosen


def by_name(players: Sequence[Player], values: Sequence[T]) -> dict[str, list[T]]:
    """Return a value of each agent as lists over training seeds, by name of the agents."""
    groups: dict[str, list[T]] = {}
    for player, value in zip(players, values, strict=True):
        groups.setdefault(player.name, []).append(value)
    return groups


def recalls(run: Run, folders: Sequence[Path], models: Sequence[WorldModel], part: str) -> list[float]:
    """Return the recall of deaths at one false alarm in a thousand steps, of each model.

    Args:
        folders: for each model latents of episodes.
        models: the world models.
        part: of the episodes, see `LatentEpisodes.part`.
    """
    calls = [
        {"folder": folder, "model": model, "seed": run.seed, "part": part}
        for folder, model in zip(folders, models, strict=True)
    ]
    results = cached_map(run.cache, evaluate_model, calls, "recall of deaths", parallel=len(calls) > 1)
    return [float(result["strict_recall"]) for result in results]


def held_out_gate(name: str, number: int, held_out: Sequence[float]) -> Gate:
    """Return the gate of a round: the new M foresees the deaths of the agent before.

    Args:
        name: of the agents.
        number: of the round.
        held_out: recall of each training seed; one alone counts as fixed.
    """
    values = {"hits": [[recall, recall] for recall in held_out], "counts": [1, 1]}
    return Gate(f"{name}, round {number}: recall of own deaths above {RECALL:.0%}", Evidence("ratio_of_sums", values), RECALL)


def measure(run: Run, players: Sequence[Player], own: Sequence[Path], background: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return what became of a round, by name of the agents: recall, dream, tics and lost of `run_rounds`.

    Args:
        players: its agents.
        own: of each the latents of its own games, which its M has not seen.
        background: for the blindfold.
    """
    settings = run.settings
    agents = [player.agent for player in players]
    blindfolded = [closed_loop.HandicappedAgent(agent, closed_loop.BLINDFOLD, background) for agent in agents]
    recall = by_name(players, recalls(run, own, [agent.world_model for agent in agents], "all"))
    dream = by_name(players, [player.controller.score for player in players])
    tics = games.play_each(run, by_name(players, agents), settings.games, "test")
    blind = games.play_each(run, by_name(players, blindfolded), settings.closed_loop_games, "test")
    return {
        name: {
            "recall": recall[name],
            "dream": dream[name],
            "tics": tics[name],
            "lost": tics[name][:, : settings.closed_loop_games] - blind[name],
        }
        for name in recall
    }
