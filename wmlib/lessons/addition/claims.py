"""What notebook 03 judges: claims and their rules, written down before the run.

Reading guide. `reported` has the claims of the author and his paper, `ours` those of this project. "Accuracy" is the proportion
of sequences with every number of the answer within 0.5.
"""

from __future__ import annotations

from wmlib.experiment.results import Claim
from wmlib.lessons.addition.estimates import LEARNT_BELOW, LEARNT_LENGTH
from wmlib.lessons.addition.recipes import TASKS

PAPER = "author's post on arXiv 1906.07248"
REPOSITORY = "Mufti's DNC repository (README, figures)"


def near(task: str) -> int:
    """Return the length beyond the trained ones at which DNC and LSTM are compared."""
    return TASKS[task].beyond[2]


def far(task: str) -> int:
    """Return the longest length that is tested."""
    return TASKS[task].beyond[-1]


def reported(task: str) -> list[Claim]:
    """Return the claims of the author and his paper.

    Args:
        task: a name in `recipes.TASKS`.
    """
    longest = TASKS[task].longest
    return [
        Claim(
            "order_of_magnitude",
            "On the curriculum the DNC's error is ten times lower than the LSTM's.",
            PAPER,
            "an order of magnitude",
            f"error of the LSTM / of the DNC (medians; equal parameters, both searched; to length {longest})",
            reproduced=10,
            partly=2,
            judged="interval",
        ),
        Claim(
            "keeps_old_tasks",
            "After the last level the DNC still does the earlier ones, though they never came back.",
            PAPER,
            "still does well",
            "accuracy on the old levels (disjoint curriculum, median)",
            reproduced=0.95,
            partly=0.75,
            judged="interval",
        ),
        Claim(
            "accurate_far",
            f"Trained to length {longest}, the DNC (ours is smaller) is accurate to length {far(task)}.",
            REPOSITORY,
            "squared error 0 to 3 at 100",
            f"relative error at length {far(task)} (median)",
            reproduced=0.01,
            partly=0.05,
            better="lower",
            judged="interval",
        ),
        Claim(
            "lstm_fails_beyond",
            "Beyond the trained lengths the LSTM's error is a hundred times the DNC's.",
            REPOSITORY,
            "about 700 and 0 to 3 at 25",
            f"error of the LSTM / of the DNC at length {near(task)} (medians)",
            reproduced=100,
            partly=10,
            judged="interval",
        ),
    ]


def ours() -> list[Claim]:
    """Return the claims of this project: on our default recipe, on an explanation, and on the memory of trained networks."""
    return [*_default_recipe(), *_race(), _memory()]


def _default_recipe() -> list[Claim]:
    return [
        Claim(
            "accurate_far_more_slots",
            "With four times the slots in training, the DNC is accurate to length 100 (addition).",
            "ours; the rule came after a first look at other seeds",
            "squared error 0 to 3 at 100",
            "relative error at length 100 (median)",
            reproduced=0.01,
            partly=0.05,
            better="lower",
            judged="interval",
        ),
        Claim(
            "every_seed",
            "Gate closed at first, clip 1, learning rate 2e-2: an exact DNC adds beyond its training in every seed.",
            "ours",
            "-",
            f"proportion of seeds with squared error below {LEARNT_BELOW:g} at length {LEARNT_LENGTH} (addition)",
            reproduced=1.0,
            partly=0.9,
        ),
        Claim(
            "gate_harmless",
            "The same start does no harm to associative recall.",
            "ours; after a first look",
            "-",
            "accuracy on trained lengths, gate closed minus default initialization (same seeds, mean)",
            reproduced=-0.05,
            partly=-0.2,
            judged="interval",
        ),
        Claim(
            "keeps_more",
            "On old levels that never came back the DNC is right more often than the LSTM, searched as hard.",
            "ours; after a first look",
            "-",
            "accuracy on the old levels, DNC minus LSTM (disjoint, same seeds, mean)",
            reproduced=0.1,
            partly=0.0,
            judged="interval",
        ),
    ]


def _race() -> list[Claim]:
    return [
        Claim(
            "race_lstm_off",
            "Without the LSTM's own memory in the first level, a recipe that often fails does better.",
            "ours",
            "-",
            "proportion of seeds that learn, LSTM off at first minus nothing off (learning rate 6e-3)",
            reproduced=0.3,
            partly=0.05,
            judged="interval",
        ),
        Claim(
            "race_memory_off",
            "Without the external memory in the first level, a recipe that succeeds does worse.",
            "ours",
            "-",
            "proportion of seeds that learn, nothing off minus memory off at first (our default)",
            reproduced=0.3,
            partly=0.05,
            judged="interval",
        ),
    ]


def _memory() -> Claim:
    return Claim(
        "memory_is_the_total",
        "Adding to the memory moves the answer by as much as predicted.",
        "ours",
        "-",
        "change of the answer / predicted (median; addition; edit after 6 of 12)",
        reproduced=0.8,
        partly=0.4,
        judged="interval",
    )
