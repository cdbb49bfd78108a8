"""The numbers behind verdicts and figures, against ones that are computed by hand."""

import numpy as np
import pytest

from wmlib.experiment import settings
from wmlib.experiment.claims import report
from wmlib.experiment.statistics import Estimate, ratio_of_sums
from wmlib.lessons.vizdoom_dream import estimates
from wmlib.lessons.vizdoom_dream.closed_loop import BLINDFOLD, ELSEWHERE, NO_MEMORY, WHOLE
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig, EvolvedController
from wmlib.lessons.vizdoom_dream.pipeline import DNC, LARGE_LSTM, LSTM


def controller(score, generations=10, validate_every=5):
    """A controller of which generation g had mean g, and validation 100 g where it was validated."""
    numbers = np.arange(1.0, generations + 1)
    validation = np.where(numbers % validate_every == 0, 100 * numbers, np.nan)
    history = np.stack([numbers, 2 * numbers, validation], 1)
    return EvolvedController(("z",), np.zeros(3), score, history, np.zeros((generations // validate_every, 3)))


def test_mean_tics_with_an_interval_over_seeds_and_games():
    tics = np.array([[100, 200, 300], [400, 500, 600]])
    estimate = estimates.mean_tics(tics).estimate()
    assert estimate == ratio_of_sums(tics, np.ones(3)) and estimate.value == 350 and estimate.n == 2
    assert estimate.low < 100 and estimate.high > 600  # two seeds that lie far apart say little


def test_rows_of_scores():
    scripted = {"no-op": np.array([10, 20, 30, 40])}
    agents = {"an agent": np.array([[0, 0, 0, 80], [10, 10, 10, 10]]), "published": np.array([[20, 30]])}
    one, other, published = rows = estimates.score_rows(scripted, agents, np.array([5, 15, 30, 30]))
    assert (one["name"], one["kind"], one["value"], one["n"]) == ("no-op", "scripted", 25, 1)
    assert one["quartiles"].tolist() == [17.5, 32.5] and one["interquartile_mean"] == 25
    assert len(one["training_seeds"]) == 0 and one["tics"].tolist() == [10, 20, 30, 40]
    assert other["value"] == 15 and other["training_seeds"].tolist() == [20, 10] and other["interquartile_mean"] == 7.5
    assert other["low"] < 15 < other["high"] and len(other["tics"]) == 8
    assert [row["over_blind"][0] for row in rows] == [5, -5, 15] and [row["games"] for row in rows] == [4, 4, 2]
    assert published["over_blind"] == (15, 15, 15) and published["low"] < 25  # the difference is the same in both games
    table = estimates.score_table(rows).splitlines()
    assert len(table) == 4 and table[2].startswith("| an agent | 15 [") and table[3].endswith("] | 15 | 1 | 2 |")


def test_what_stands_beside_the_first_claim():
    agents = {DNC: np.array([[40, 30], [90, 90]]), LARGE_LSTM: np.array([[30, 10]]), LSTM: np.array([[99, 99], [99, 99]])}
    found = {name: evidence.estimate() for name, evidence in estimates.comparisons(agents, np.array([30, 40])).items()}
    assert {name: (each.value, each.n) for name, each in found.items()} == {
        f"{LSTM} minus the best blind player": (64, 2),
        f"{DNC} minus the best blind player": (27.5, 2),
        f"{DNC} minus {LARGE_LSTM}": (15, 1),  # of the training seeds that both have
    }
    del agents[LARGE_LSTM]
    assert len(estimates.comparisons(agents, np.array([30, 40]))) == 2
    assert estimates.in_words({"a": (1.4, -2.6, 5, 3), "b": [1, 0, 2]}) == "a: 1 [-3, 5] tics; b: 1 [0, 2] tics"


def test_gates_of_the_stages(capsys):
    blobs = np.full((3, 4), 10)
    found = blobs.copy()
    found[0, 1] = 4  # of the small ones in the first episode
    gate = estimates.vae_gate([{"blobs": blobs, "detected": found}])
    assert gate.evidence.estimate().value == 24 / 30 and gate.least == 0.9 and gate.evidence.estimate().n == 1
    none = np.zeros((3, 4), int)
    assert estimates.vae_gate([{"blobs": none, "detected": none}]).evidence.estimate().value == 0
    one = {"alarms_by_episode": np.array([0, 1, 0]), "steps_by_episode": np.array([500, 1000, 500])}
    alarms, still = estimates.world_model_gates("DNC", [one], [np.array([150.0, 170.0])], np.array([150, 170]))
    assert alarms.evidence.estimate().value == 1 / 2000 and alarms.most == 0.003
    assert still.evidence.estimate().value == 1 and (still.least, still.most) == (0.75, 1.25)
    alarms, still = estimates.world_model_gates("DNC", [one, one], [np.full(6, 160.0)] * 2, np.array([150, 170]))
    assert still.evidence.estimate().low < 1 < still.evidence.estimate().high  # the games have chance, the dreams none
    alarms, still = estimates.world_model_gates("DNC", [one, one], [np.array([160.0, 160.0])] * 2, np.array([160, 160]))
    report(still)
    assert capsys.readouterr().out == "gate passed: DNC: standing still, dream over game, in 0.75 to 1.25: 1 [1, 1]\n"


def test_evolution_and_transfer():
    evolved = {"a": [controller(7.0), controller(9.0)]}
    data = estimates.evolution(evolved, EvolutionConfig(max_steps=33))
    assert data["max_steps"] == 33 and [curve.tolist() for curve in data["agents"]["a"]] == [list(range(1, 11))] * 2
    real = {"a": np.array([[1, 3], [5, 7]]), "another round": np.zeros((2, 2))}
    data = estimates.transfer(evolved, real, {"b": [150.0, 160.0]}, np.array([10, 20]))
    assert data == {"agents": {"a": [[7.0, 2.0], [9.0, 6.0]]}, "no_op": {"b": [[150.0, 15.0], [160.0, 15.0]]}}


def test_what_agents_lose_with_a_handicap():
    whole = np.array([[100, 200], [300, 400]])
    played = {
        "a": {WHOLE: whole, BLINDFOLD: whole - [[10, 30], [50, 70]], ELSEWHERE: whole},
        "b": {WHOLE: whole, NO_MEMORY: whole + 1},
    }
    lost = estimates.losses(played)
    assert list(lost["a"]) == [BLINDFOLD, ELSEWHERE] and lost["a"][BLINDFOLD].estimate().value == 40
    rows = estimates.loss_rows(played)
    assert [(row["agent"], row["handicap"], row["value"]) for row in rows] == [
        ("a", BLINDFOLD, 40),
        ("a", ELSEWHERE, 0),
        ("b", NO_MEMORY, -1),
    ]
    assert rows[0]["training_seeds"].tolist() == [20, 60] and rows[0]["n"] == 2


@pytest.mark.parametrize(("lost_elsewhere", "cost"), [(35, 5), (0, 40), (-145, 40)])
def test_the_blindfold_costs_what_other_paint_does_not(lost_elsewhere, cost):
    whole = np.array([[100, 200], [300, 400]])
    played = {WHOLE: whole, BLINDFOLD: whole - [[10, 30], [50, 70]], ELSEWHERE: whole - lost_elsewhere}
    estimate = estimates.blindfold_cost(played).estimate()
    assert estimate.value == cost and estimate.n == 2


def test_whose_memory_is_used():
    whole = np.full((3, 5), 100)
    lost = [[0, 10, 90, 90, 90], [20, 30, 0, 10, 20], [5, 5, 99, 99, 99]]  # two games to choose on, three to judge on
    number, estimate = estimates.memory_user({WHOLE: whole, NO_MEMORY: whole - lost})
    assert number == 1 and estimate.value == 10 and estimate.low < 0 and estimate.high > 20


@pytest.mark.parametrize(
    "ends, words",
    [((90, 10, 170), "It uses"), ((20, -20, 60), "does not need"), ((90, -10, 190), "too few"), ((50, 10, 90), "too few")],
)
def test_what_a_loss_says_of_the_use_of_memory(ends, words):
    assert words in estimates.memory_use(Estimate(*ends, n=1), 70)


def test_rounds():
    row = {"round": 0, "recall": [0.25], "dream": [900.0], "tics": np.array([[700, 800]]), "lost": np.array([[10, 30]])}
    two = {"recall": [0.2, 0.4], "dream": [1, 3], "tics": np.ones((2, 2)), "lost": np.zeros((2, 2))}
    found = estimates.rounds({"MDN-DNC": [row, two]}, "metronome", np.array([710, 770]))
    data = found["agents"]["MDN-DNC"]
    assert data["recall"][0] == data["recall"][0][:1] * 3 == [0.25] * 3  # one training seed: no interval
    assert data["tics"][0][0] == 750 and data["tics"][0][1] < 700 and data["lost"][0][0] == 20
    value, low, _ = data["recall"][1]
    assert value == pytest.approx(0.3) and low == pytest.approx(0.3 - 12.7062 * 0.1, abs=1e-3)  # t of one degree of freedom
    assert data["over_blind"][0][0] == 10 and found["blind"] == ["metronome", 740]
    assert estimates.rounds({}, "metronome", np.ones(2)) == {}


def test_rounds_in_words():
    def after(*points):
        return {name: [[0.5, 0.5, 0.5], *points] for name in (*estimates.ROUND_MEASURES, "over_blind")}

    table = estimates.round_table({"agents": {"MDN-DNC": after([1750, 1700, 1800.2])}}).splitlines()
    assert table[0].count("|") == table[1].count("|") == 8 and len(table) == 4 and "best blind player" in table[0]
    assert table[2].startswith("| MDN-DNC | 0 | 0.50 | 0.50 |") and "| MDN-DNC | 1 | 1750 [1700, 1800] |" in table[3]
    agents = {"a": after([1750, 1700, 1800]), "b": after([1000, 900, 1100]), "c": after([1, 0, 2], [1000, 800, 1200])}
    assert estimates.reached({"agents": agents}) == (
        "The best score that we know of is 1,125 tics. After round 1 the a lives 1750 [1700, 1800] tics, which is more. "
        "After round 1 the b lives 1000 [900, 1100] tics, which is less. "
        "After round 2 the c lives 1000 [800, 1200] tics, which is too close to it to tell."
    )


@pytest.mark.parametrize("errors, words", [([1, 2, 5], "at step 3"), ([1, 2, 3], "not within 3 steps")])
def test_when_copying_becomes_better(errors, words):
    assert estimates.behind_copying({"MDN-LSTM": errors, "copy baseline": [2, 3, 4]}, "MDN-LSTM") == words


def test_seeds_are_those_that_a_run_uses():
    table = settings.read("05_vizdoom_dream")
    quick = estimates.seeds(settings.resolve(table, "quick", {}))
    study = estimates.seeds(settings.resolve(table, "study", {"rounds": 2}))
    unused = ["search", "further world models of the rounds", "own games of a round", "validation games of a round"]
    assert [name for name, numbers in quick.items() if not len(numbers)] == unused
    assert all(map(len, study.values()))
    assert list(study["search"]) == [1000, 1001] and study["further world models of the rounds"] == [2000, 2001, 2002]


def test_prediction():
    evaluated = {"MDN-LSTM": [{"nll": 0.5, "recall": 0.2}, {"nll": 0.7, "recall": 0.6}]}
    predictions = {"evaluated": evaluated, "copy": [1.0, 1.1], "entropy": [0.3, 0.4], "ahead": {"MDN-LSTM": [0.1]}}
    data = estimates.prediction(predictions)
    assert data["nll"] == {"MDN-LSTM": [0.5, 0.7], "copy baseline": [1.0, 1.1], "posterior entropy": [0.3, 0.4]}
    assert data["ahead"] == {"MDN-LSTM": [0.1]}
    assert estimates.mean_of(evaluated["MDN-LSTM"], "recall") == pytest.approx(0.4)
