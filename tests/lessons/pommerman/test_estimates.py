"""Numbers made of tallies, against hand-computed ones."""

import numpy as np
import pytest

from wmlib.lessons.pommerman import estimates


def tallies(seeds=2, games=5, seed=0):
    rng = np.random.default_rng(seed)
    each = []
    for _ in range(seeds):
        counts = {"steps": np.full(games, 10.0), "right": np.full(games, 3700.0), "unchanged": np.full(games, 3640.0)}
        counts |= {"kept": np.full(games, 3630.0), "exact": rng.integers(5, size=games) * 1.0, "impossible": np.zeros(games)}
        counts |= {"changed": np.full((games, 7), 10.0), "changed_right": rng.integers(4, 9, (games, 7)) * 1.0}
        counts |= {"living": np.full(games, 30.0), "drawn": np.full(games, 27.0)}
        counts |= {"near": np.full((21, 21), 50.0), "near_right": np.full((21, 21), 20.0)}
        each.append(counts)
    return each


def test_proportions():
    of_seeds = tallies()
    assert estimates.proportion(of_seeds, "all right").estimate().value == pytest.approx(3700 / 3720)
    right = np.mean([t["changed_right"].sum() for t in of_seeds]) / 350
    estimate = estimates.proportion(of_seeds, "changed right").estimate()
    assert estimate.value == pytest.approx(right) and estimate.low < right < estimate.high
    assert estimates.proportion(of_seeds[:1], "kept").estimate().value == pytest.approx(3630 / 3640)  # a rule has no seeds


def test_differences_are_paired():
    of_seeds = tallies()
    better = [{**t, "changed_right": t["changed_right"] + 1} for t in of_seeds]
    assert tuple(estimates.difference(of_seeds, of_seeds, "changed right").estimate()[:3]) == (0, 0, 0)
    assert tuple(estimates.difference(better, of_seeds, "changed right").estimate()[:3]) == pytest.approx((0.1, 0.1, 0.1))
    rule = [{**of_seeds[0], "right": np.full(5, 3682.8)}]  # one tally for both seeds
    estimate = estimates.difference(of_seeds, rule, "all right").estimate()
    assert estimate.value == pytest.approx(17.2 / 3720) and estimate.n == 2


def test_score_rows():
    (row,) = estimates.score_rows({"DNC": tallies()}, {"DNC": "ours"})
    assert row["name"] == "DNC" and row["training_seeds"] == 2 and row["kind"] == "ours"
    assert row["agents drawn"] == pytest.approx([0.9] * 3) and row["impossible"] == [0, 0, 0]
    assert "kind" not in estimates.score_rows({"DNC": tallies()})[0]


def test_groups():
    of_seeds = tallies()
    data = estimates.by_group({"DNC": of_seeds}, {"DNC": "ours", "another": "rule"})
    assert data["changed"].tolist() == [50] * 7 and data["kinds"] == {"DNC": "ours"}
    assert data["right"]["DNC"][3] == np.mean([t["changed_right"][:, 3].sum() for t in of_seeds]) / 50


def test_one_step_and_ahead():
    of_seeds = tallies()
    evaluated = {"DNC": [{"one": t, "ahead": [t, t]} for t in of_seeds]}
    assert estimates.one_step(evaluated)["DNC"][1] is of_seeds[1]
    data = estimates.ahead(evaluated, (1, 5), {"DNC": "ours", "another": "rule"})
    assert data["horizons"] == [1, 5] and data["kinds"] == {"DNC": "ours"}
    assert np.shape(data["curves"]["DNC"]["changed right"]) == (2, 2)
    assert data["curves"]["DNC"]["changed right"][1][0] == of_seeds[1]["changed_right"].sum() / 350


def test_near():
    of_seeds = tallies()
    of_seeds[0]["near"][10, 12] = of_seeds[1]["near"][10, 12] = 19  # too few to say anything
    table = estimates.near({"DNC": of_seeds})["DNC"]
    assert table.shape == (13, 13) and table[6, 6] == 0.4 and table[6, 8] == -1


def hidden_tally(right=4.0):
    """Four games; of each kind eight changed numbers a game, the last clue of half of them old, `right` of these known."""
    tally = {"changed": np.full((4, 3), 8.0), "changed_right": np.full((4, 3), 2.0 + right)}
    tally |= {"all": np.full((4, 3), 18.0), "right": np.full((4, 3), 11.0 + right)}
    tally |= {"aged": np.tile([4.0, 0.0, 3.0, 1.0], (4, 3, 1)), "aged_right": np.tile([2.0, 0.0, right - 1, 1.0], (4, 3, 1))}
    return tally


def test_hidden_numbers_by_age():
    (columns, *_) = estimates.hidden_by_age([hidden_tally(3.0)] * 2)
    assert [column[0] for column in columns] == pytest.approx([0.9, 0.5, 0.0, 2 / 3, 1.0])  # at the start; then by age
    assert estimates.hidden_cases([hidden_tally()] * 2) == [[40, 16, 0, 12, 4]] * 3
    assert len(estimates.AGE_LABELS) == 5 and estimates.AGE_LABELS[3] == "32–127"


def test_hidden_numbers_whose_last_clue_is_old():
    assert estimates.hidden_proportion([hidden_tally(3.0)] * 2).estimate().value == 0.75
    gap = estimates.hidden_difference([hidden_tally(4.0)] * 2, [hidden_tally(3.0)] * 2).estimate()
    assert tuple(gap[:3]) == (0.25, 0.25, 0.25)


@pytest.mark.parametrize(("lost", "passes"), [(0.0, True), (0.1, True), (0.3, False), (10.0, False)])
def test_always_changed_is_no_knowledge(lost, passes):
    """Of ten unchanged numbers of each kind and game both know nine; one forgets more of them."""
    worse = hidden_tally() | {"right": hidden_tally()["right"] - lost}
    gate = estimates.unchanged_gate([worse] * 2, [hidden_tally()] * 2, ("DNC", "LSTM"))
    value, low, *_ = gate.evidence.estimate()
    assert value == pytest.approx(-lost / 10) and (low > gate.least) == passes
    assert "at most 0.02 fewer than the LSTM" in gate.text


def test_gates_are_about_each_model_and_each_rule():
    of_seeds = tallies()
    worse = [{**of_seeds[0], "right": of_seeds[0]["right"] - 1}]
    known = {"a": of_seeds, "copy": of_seeds[:1], "table": worse}
    first, second = estimates.gates(known, ["a"], ["copy", "table"], "all right")
    assert first.text == "the a beats the copy" and first.evidence.estimate().low == 0
    assert second.evidence.estimate().low > 0
    hidden = {"a": [hidden_tally(4.0)] * 2, "rule": [hidden_tally(2.0)], "other": [hidden_tally(4.0)]}
    first, second = estimates.hidden_gates(hidden, ["a"], ["rule", "other"])
    assert first.text == "of all hidden numbers the a knows more than the rule"
    assert first.evidence.estimate().low == pytest.approx(2 / 18) and second.evidence.estimate().low == 0


def test_a_core_that_forgets_passes_the_gates_on_hidden_numbers():
    """It knows what changed just now, and nothing of old clues, on which the constant guess is better; yet of all numbers it
    knows more than either rule."""
    forgets = hidden_tally(1.0) | {"changed_right": np.full((4, 3), 3.0), "right": np.full((4, 3), 12.0)}
    forgets |= {"aged_right": np.tile([3.0, 0.0, 0.0, 0.0], (4, 3, 1))}
    nothing = np.zeros((4, 3, 4))
    start = hidden_tally() | {"changed_right": nothing[..., 0], "right": np.full((4, 3), 10.0), "aged_right": nothing}
    guess = hidden_tally() | {"changed_right": np.full((4, 3), 5.0), "right": np.full((4, 3), 5.0)}
    guess |= {"aged_right": np.tile([2.0, 0.0, 2.0, 1.0], (4, 3, 1))}
    hidden = {"LSTM": [forgets] * 2, "start values": [start], "constant guess": [guess]}
    assert estimates.hidden_difference(hidden["LSTM"], hidden["constant guess"]).estimate().high < 0
    gates = estimates.hidden_gates(hidden, ["LSTM"], ["start values", "constant guess"])
    assert [gate.evidence.estimate().low > 0 for gate in gates] == [True, True]
    (learnt_nothing,) = estimates.hidden_gates(hidden | {"LSTM": [start] * 2}, ["LSTM"], ["start values"])
    assert learnt_nothing.evidence.estimate().low == 0
