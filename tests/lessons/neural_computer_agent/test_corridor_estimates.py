"""The numbers that are said of the corridor, from made-up success."""

import numpy as np

from wmlib.experiment.claims import judge
from wmlib.lessons.neural_computer_agent import corridor_estimates as estimates

ARMS = {
    "DNC": {
        "success": np.array([[1.0, 0.9, 0.95, 0.5], [1.0, 1.0, 0.2, 0.1]]),
        "updates": np.array([[25, 50, 50], [25, 25, 50]]),
    },
    "feed-forward": {"success": np.array([[0.25, 0.06, 0.06, 0.0]]), "updates": np.array([[60, 60, 60]])},
}


def test_the_claim_counts_seeds():
    solved = np.array([1.0, 0.95] * 5)
    failed = np.array([0.9, 0.0] * 5)  # 0.9 is not above 0.9
    record = judge(estimates.claim(12, 1000), estimates.evidence(solved, failed))
    assert (record["ours"], record["n"], record["verdict"]) == (1.0, 10, "reproduced")
    assert judge(estimates.claim(12, 1000), estimates.evidence(solved[:9], failed))["verdict"] == "undecided"
    assert judge(estimates.claim(12, 1000), estimates.evidence(solved, solved))["verdict"] == "not reproduced"


def test_tested_levels():
    assert estimates.tested_levels(4, 1) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert estimates.tested_levels(2, 4) == [(1, 1), (2, 1), (2, 2), (2, 4)]


def test_panels_take_the_columns_of_their_levels():
    cues, zero_shot, longer = estimates.success_panels(ARMS, {"DNC": ARMS["DNC"]}, 2, 4)
    assert cues["x"] == [1, 2] and cues["arms"]["DNC"].tolist() == [[1.0, 0.9], [1.0, 1.0]]
    assert cues["chance"] == [1 / 4, 1 / 16]
    assert zero_shot["x"] == longer["x"] == [1, 2, 4] and zero_shot["arms"]["feed-forward"].tolist() == [[0.06, 0.06, 0.0]]
    assert list(longer["arms"]) == ["DNC"] and "chance" not in longer
    short = {name: {"success": arm["success"][:, :2]} for name, arm in ARMS.items()}
    assert len(estimates.success_panels(short, {}, 2, 1)) == 1


def test_words_and_updates():
    assert estimates.solved_words(ARMS, 1) == "DNC 1 of 2; feed-forward 0 of 1"
    table = estimates.updates_table(ARMS, [(1, 1), (1, 2)], 60)
    assert table["levels"] == ["n = 1", "n = 1\nL = 2", "all"] and table["most"] == 60
    assert table["arms"]["DNC"].tolist() == [[25, 50, 50], [25, 25, 50]]
