"""What notebook 03 judges: claims and their rules, written down before the run.

Reading guide. "Accuracy" is the proportion of sequences with every number of the answer within 0.5. Training seeds decide, so
every rule needs five of them.
"""

from __future__ import annotations

from wmlib.experiment.claims import Claim
from wmlib.lessons.addition.recipes import TASKS

PAPER = "author's post on arXiv 1906.07248"
REPOSITORY = "Mufti's DNC repository (README, figures)"
NEEDS = 5  # training seeds


def near(task: str) -> int:
    """Return the length beyond the trained ones at which DNC and LSTM are compared."""
    return TASKS[task].beyond[2]


def far(task: str) -> int:
    """Return the longest length that is tested."""
    return TASKS[task].beyond[-1]


def rules(task: str) -> list[Claim]:
    """Return the claims: four of the author and his paper, and one of ours.

    Args:
        task: a name in `recipes.TASKS`.
    """
    return [*_trained_lengths(task), *_beyond(task)]


def _trained_lengths(task: str) -> list[Claim]:
    return [
        Claim(
            "order_of_magnitude",
            "On the curriculum the DNC's error is ten times lower than the LSTM's.",
            PAPER,
            "an order of magnitude",
            f"mean error to length {TASKS[task].longest}, LSTM / DNC (geometric means; equal parameters, both searched)",
            smallest=10,
            null=1,
            needs=NEEDS,
        ),
        Claim(
            "keeps_old_tasks",
            "After the last level the DNC still does the earlier ones (our strict reading: they never came back).",
            PAPER,
            "still does well",
            "mean accuracy on the old levels (disjoint curriculum)",
            smallest=0.95,
            null=0.75,
            needs=NEEDS,
        ),
        Claim(
            "keeps_more",
            "On old levels that never came back the DNC is right more often than the LSTM, searched as hard.",
            "ours; after a first look",
            "-",
            "mean accuracy on the old levels, DNC minus LSTM (disjoint curriculum, same seeds)",
            smallest=0.1,
            needs=NEEDS,
        ),
    ]


def _beyond(task: str) -> list[Claim]:
    return [
        Claim(
            "accurate_far",
            f"Trained to length {TASKS[task].longest}, the DNC (ours is smaller) is accurate to length {far(task)}.",
            REPOSITORY,
            "squared error 0 to 3 at 100",
            f"relative error at length {far(task)} (geometric mean)",
            smallest=0.01,
            null=0.05,
            better="lower",
            needs=NEEDS,
        ),
        Claim(
            "lstm_fails_beyond",
            "Beyond the trained lengths the LSTM's error is a hundred times the DNC's.",
            REPOSITORY,
            "about 700 and 0 to 3 at 25",
            f"error at length {near(task)}, LSTM / DNC (geometric means)",
            smallest=100,
            null=1,
            needs=NEEDS,
            effect=700 / 3,  # the smallest ratio that the author's two numbers allow
        ),
    ]
