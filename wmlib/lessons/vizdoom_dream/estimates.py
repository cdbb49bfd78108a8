"""The numbers of notebook 05 that verdicts and figures use, made of tics survived, controllers, recordings and predictions.

Reading guide. Intervals know training seeds and games; scripted players have no training seeds and count as fixed. `vae_gate`
and `world_model_gates` are the gates of the stages. `comparisons` stand beside the verdicts and decide none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from wmlib.agents.evolution import VALIDATION
from wmlib.experiment.claims import Gate
from wmlib.experiment.statistics import Estimate, Evidence
from wmlib.lessons.vae.estimates import recall
from wmlib.lessons.vizdoom_dream.claims import BEST_REPORTED
from wmlib.lessons.vizdoom_dream.closed_loop import BLINDFOLD, ELSEWHERE, NO_MEMORY, WHOLE
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import DNC, LARGE_LSTM, LSTM
from wmlib.lessons.vizdoom_dream.rounds import OTHER_SEEDS
from wmlib.lessons.vizdoom_dream.search import FIRST_SEED

RECALL = 0.9  # of small fireballs: gate of V
FALSE_ALARMS = 0.003  # of the steps that are not fatal: gate of M
VALIDATION_DREAMS = 64  # see `Evolution`
STANDING_STILL = (0.75, 1.25)  # steps lived in dreams over tics in the game: gate of M


def mean_tics(tics: np.ndarray) -> Evidence:
    """Return the evidence of the mean of tics, or of differences of tics on the same games.

    Args:
        tics: (training seeds, games).
    """
    return Evidence("ratio_of_sums", {"hits": tics, "counts": np.ones(tics.shape[1], int)})


def comparisons(agents: Mapping[str, np.ndarray], blind: np.ndarray) -> dict[str, Evidence]:
    """Return the evidence of what stands beside the first claim: differences of tics on the same games, by what is compared.

    Args:
        agents: tics (training seeds, games) by name; the LSTM of equal parameters may have fewer training seeds, the first
            ones, or be left out.
        blind: tics (games,) of the best blind player.
    """
    differences = {f"{name} minus the best blind player": agents[name] - blind for name in (LSTM, DNC)}
    if LARGE_LSTM in agents:
        large = agents[LARGE_LSTM]
        differences[f"{DNC} minus {LARGE_LSTM}"] = agents[DNC][: len(large)] - large
    return {name: mean_tics(tics) for name, tics in differences.items()}


def in_words(differences: Mapping[str, Sequence[float]]) -> str:
    """Return differences of tics with their intervals, [value, low, high, …] by what is compared, as part of a sentence."""
    return "; ".join(
        f"{name}: {value:.0f} [{low:.0f}, {high:.0f}] tics" for name, (value, low, high, *_) in differences.items()
    )


def vae_gate(tallies: Sequence[Mapping[str, np.ndarray]]) -> Gate:
    """Return the gate of the VAEs: small fireballs survive.

    Args:
        tallies: of each VAE, see `vae.measures.tally`; without any small blob the recall counts as 0.
    """
    nothing = Evidence("ratio_of_sums", {"hits": np.zeros((1, 2), int), "counts": np.ones(2, int)})
    return Gate(f"V: recall of small fireballs above {RECALL:.0%}", recall(tallies) or nothing, RECALL)


def world_model_gates(
    name: str, evaluated: Sequence[Mapping[str, Any]], standing_still: Sequence[np.ndarray], no_op: np.ndarray
) -> list[Gate]:
    """Return the gates of the world models of one kind: few deaths that do not happen, and dreams as long as games.

    Args:
        name: of the kind.
        evaluated: of each training seed, see `measures.evaluate`.
        standing_still: of each training seed, steps (dreams,) that a player who never moves lives in dreams.
        no_op: tics (games,) that this player survives in the game.
    """
    alarms = {
        "hits": np.stack([each["alarms_by_episode"] for each in evaluated]),
        "counts": np.stack([each["steps_by_episode"] for each in evaluated]),
    }
    steps = np.stack(standing_still)
    pairs = min(steps.shape[1], len(no_op))  # of some dreams and some games, so that the interval knows the chance of both
    ratios = {"hits": _group_means(steps, pairs), "counts": _group_means(no_op[None], pairs)[0]}
    least, most = STANDING_STILL
    return [
        Gate(f"{name}: false alarms below {FALSE_ALARMS:.1%}", Evidence("ratio_of_sums", alarms), None, FALSE_ALARMS),
        Gate(f"{name}: standing still, dream over game, in {least} to {most}", Evidence("ratio_of_sums", ratios), least, most),
    ]


def _group_means(values: np.ndarray, count: int) -> np.ndarray:
    """Return the means of so many groups of neighbours of each row, (rows, count)."""
    return np.stack([group.mean(1) for group in np.array_split(values, count, axis=1)], 1)


def score_rows(scripted: Mapping[str, np.ndarray], agents: Mapping[str, np.ndarray], blind: np.ndarray) -> list[dict[str, Any]]:
    """Return the rows for `figures.draw_scores`, scripted players first.

    Args:
        scripted: tics (games,) by name.
        agents: tics (training seeds, games) by name; who has played fewer games has played the first ones.
        blind: tics (games,) of the best blind player.
    """
    rows = []
    for kind, players in (("scripted", scripted), ("agent", agents)):
        for name, survived in players.items():
            tics = np.atleast_2d(survived)
            games = tics.shape[1]
            rows.append(
                {
                    "name": name,
                    "kind": kind,
                    **mean_tics(tics).estimate()._asdict(),
                    "over_blind": mean_tics(tics - blind[:games]).estimate()[:3],
                    "games": games,
                    "quartiles": np.quantile(tics, (0.25, 0.75)),
                    "interquartile_mean": scipy.stats.trim_mean(np.sort(tics.ravel()), 0.25),
                    "training_seeds": tics.mean(1) if kind == "agent" else [],
                    "tics": tics.ravel(),
                }
            )
    return rows


def score_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table of the agents among `score_rows`: tics, and how many more than the best blind player's."""
    lines = ["| agent | tics | more than the best blind player | training seeds | games |", "|---|---|---|---|---|"]
    for row in rows:
        if row["kind"] == "agent":
            cells = (_cell(row["value"], row["low"], row["high"]), _cell(*row["over_blind"]), row["n"], row["games"])
            lines.append(f"| {row['name']} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def evolution(controllers: Mapping[str, Sequence[EvolvedController]], config: EvolutionConfig) -> dict[str, Any]:
    """Return what `figures.draw_evolution` draws: the mean steps of all candidates, by generation."""
    curves = {name: [controller.history[:, 0] for controller in each] for name, each in controllers.items()}
    return {"agents": curves, "max_steps": config.max_steps}


def transfer(
    controllers: Mapping[str, Sequence[EvolvedController]],
    real: Mapping[str, np.ndarray],
    standing_still: Mapping[str, Sequence[float]],
    no_op: np.ndarray,
) -> dict[str, Any]:
    """Return what `figures.draw_transfer` draws.

    Args:
        controllers: by name of the agent, one for each training seed.
        real: tics survived by these agents, (training seeds, games).
        standing_still: by kind of world model, steps that a player who never moves lives in the dreams of each one.
        no_op: tics that this player survives in the game.
    """
    agents = {
        name: [[controller.score, tics.mean()] for controller, tics in zip(each, real[name], strict=True)]
        for name, each in controllers.items()
    }
    still = {name: [[steps, no_op.mean()] for steps in each] for name, each in standing_still.items()}
    return {"agents": agents, "no_op": still}


def losses(played: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, Evidence]]:
    """Return the evidence of the tics that agents lose with each handicap, on the same games.

    Args:
        played: by agent and handicap the tics survived, see `closed_loop.play`.
    """
    return {
        name: {handicap: mean_tics(tics[WHOLE] - tics[handicap]) for handicap in tics if handicap != WHOLE}
        for name, tics in played.items()
    }


def loss_rows(played: Mapping[str, Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
    """Return the rows for `figures.draw_losses`: agent, handicap, an estimate of the tics lost, and those of training seeds."""
    rows = []
    for name, lost in losses(played).items():
        for handicap, evidence in lost.items():
            of_seeds = (played[name][WHOLE] - played[name][handicap]).mean(1)
            estimate = evidence.estimate()._asdict()
            rows.append({"agent": name, "handicap": handicap, **estimate, "training_seeds": of_seeds})
    return rows


def blindfold_cost(played: Mapping[str, np.ndarray]) -> Evidence:
    """Return the evidence of what the blindfold costs: against the whole frame, or against as much paint elsewhere.

    The smaller difference of tics counts: paint elsewhere can itself make lives longer, and then a blindfold that costs nothing
    falls behind.

    Args:
        played: of one kind of agent, tics by handicap, see `closed_loop.play`.
    """
    reference = min(played[WHOLE], played[ELSEWHERE], key=np.mean)
    return mean_tics(reference - played[BLINDFOLD])


def memory_user(played: Mapping[str, np.ndarray]) -> tuple[int, Estimate]:
    """Choose the training seed whose DNC loses most without its memory on the first half of the games; judge it on the second.

    Args:
        played: of a DNC's agents, tics by handicap, see `closed_loop.play`; at least four games.

    Returns:
        number of the training seed, and the tics it loses on the second half.
    """
    lost = played[WHOLE] - played[NO_MEMORY]
    half = lost.shape[1] // 2
    number = int(lost[:, :half].mean(1).argmax())
    return number, mean_tics(lost[[number], half:]).estimate()


def memory_use(lost: Estimate, smallest: float) -> str:
    """Return what an agent's loss says of the use of its memory, a sentence.

    Args:
        lost: tics, see `memory_user`.
        smallest: tics from which a loss counts.
    """
    if lost.low > 0 and lost.value >= smallest:
        return "It uses its memory."
    if lost.high < smallest:
        return "It does not need its memory."
    return "These games are too few to tell whether it uses it."


ROUND_MEASURES = {  # of a row of `rounds.run_rounds`, with their units
    "recall": "recall of own deaths",
    "dream": "steps in dreams",
    "tics": "tics in the game",
    "lost": "tics lost blindfolded",
}
OVER_BLIND = {"over_blind": "tics more than the best blind player"}  # in the table, not in the figure


def rounds(by_agent: Mapping[str, Sequence[Mapping[str, Any]]], best: str, blind: np.ndarray) -> dict[str, Any]:
    """Return what `figures.draw_rounds` draws: agents, by name and measure for each round [value, low, high]; blind, a name and
    its mean tics. Nothing, if there were no rounds.

    Args:
        by_agent: rows of `rounds.run_rounds` by name of the agent. A measure that a single training seed has one number of has
            no interval.
        best: name of the best blind player.
        blind: its tics (games,) in the test games.
    """
    agents = {}
    for name, rows in by_agent.items():
        agents[name] = {measure: [_ends(row[measure]) for row in rows] for measure in ROUND_MEASURES}
        agents[name]["over_blind"] = [_ends(row["tics"] - blind) for row in rows]
    return {"agents": agents, "blind": [best, blind.mean()]} if agents else {}


def round_table(data: Mapping[str, Any]) -> str:
    """Return a Markdown table of what `rounds` returned: value and interval of each measure, a row for each agent and round."""
    columns = {**ROUND_MEASURES, **OVER_BLIND}
    lines = [f"| agent | round | {' | '.join(columns.values())} |", "|---|---|" + "---|" * len(columns)]
    for name, measures in data["agents"].items():
        for number, points in enumerate(zip(*(measures[measure] for measure in columns), strict=True)):
            lines.append(f"| {name} | {number} | {' | '.join(_cell(*point) for point in points)} |")
    return "\n".join(lines)


def reached(data: Mapping[str, Any]) -> str:
    """Return sentences that set the lives of the last round's agents beside the best score that others report.

    Args:
        data: see `rounds`.
    """
    sentences = [f"The best score that we know of is {BEST_REPORTED:,.0f} tics."]
    for name, measures in data["agents"].items():
        value, low, high = measures["tics"][-1]
        verdict = "more" if low > BEST_REPORTED else "less" if high < BEST_REPORTED else "too close to it to tell"
        after = len(measures["tics"]) - 1
        sentences.append(f"After round {after} the {name} lives {value:.0f} [{low:.0f}, {high:.0f}] tics, which is {verdict}.")
    return " ".join(sentences)


def _cell(value: float, low: float, high: float) -> str:
    """Return a value and its interval, if it has one: large numbers whole, small ones with two decimals."""
    numbers = [f"{number:.0f}" if abs(value) >= 10 else f"{number:.2f}" for number in (value, low, high)]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]" if low < high else numbers[0]


def _ends(values: Any) -> list[float]:
    """Return value and interval of numbers by training seed, or by training seed and game."""
    array = np.asarray(values, float)
    if array.ndim == 1:
        array = np.stack([array, array], 1)  # as if two games: their spread adds nothing
    return list(mean_tics(array).estimate()[:3])


def prediction(predictions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `figures.draw_prediction` draws of what `pipeline.predictions` returns."""
    nll = {name: [evaluated["nll"] for evaluated in each] for name, each in predictions["evaluated"].items()}
    nll |= {"copy baseline": predictions["copy"], "posterior entropy": predictions["entropy"]}
    return {"nll": nll, "ahead": predictions["ahead"]}


def behind_copying(ahead: Mapping[str, Sequence[float]], name: str) -> str:
    """Return from which step on, without new frames, the copy baseline is better than a model, in words.

    Args:
        ahead: by name the error by horizon, see `pipeline.predictions`.
        name: of the model.
    """
    behind = np.greater(ahead[name], ahead["copy baseline"])
    return f"at step {behind.argmax() + 1}" if behind.any() else f"not within {len(behind)} steps"


def mean_of(evaluated: Sequence[Mapping[str, float]], name: str) -> float:
    """Return the mean over training seeds of one number of `measures.evaluate`."""
    return float(np.mean([each[name] for each in evaluated]))


def seeds(settings: Any) -> dict[str, Sequence[int]]:
    """Return the numbers that stand beside the run's seed, by what they are for; none for what the run leaves out.

    Args:
        settings: the notebook's, resolved.
    """
    with_rounds = settings.rounds > 0
    searched = settings.search_seeds if settings.search == "run" else 0
    generations = max(settings.generations, settings.cold_generations, settings.round_generations * with_rounds)
    further = [OTHER_SEEDS * i + seed for i in range(1, settings.round_models) for seed in range(settings.round_seeds)]
    return {
        "training": range(settings.seeds),
        "search": range(FIRST_SEED, FIRST_SEED + searched),
        "further world models of the rounds": further * with_rounds,
        "episodes of random play": range(settings.episodes),
        "dreams of the evolution": range(generations * settings.trials),
        "dreams of the validation": range(VALIDATION, VALIDATION + VALIDATION_DREAMS),
        "test games": range(settings.games),
        "games of the blind search": range(settings.blind_games),
        "own games of a round": range(settings.round_games * with_rounds),
        "validation games of a round": range(settings.trail_games * with_rounds),
        "recorded games": range(settings.recorded_games),
    }
