"""What notebook 03 judges: five claims and their rules, written down before the study run; two measures after an earlier one.

Reading guide. "Right" means every number of the answer within 0.5. Training seeds decide, so every rule needs five of them.
"""

from __future__ import annotations

from wmlib.experiment.claims import Claim
from wmlib.lessons.addition.recipes import TASKS

PAPER = "author's post on arXiv 1906.07248"
REPOSITORY = "Mufti's DNC repository (README, figures)"
NEEDS = 5  # training seeds


def near(task: str) -> int:
    """Return the length beyond the trained ones at which the models are compared."""
    return TASKS[task].beyond[2]


def far(task: str) -> int:
    """Return the longest length that is tested."""
    return TASKS[task].beyond[-1]


def rules(task: str, author_size: bool) -> list[Claim]:
    """Return the claims: four of the author and his paper, and one of ours.

    Args:
        task: a name in `recipes.TASKS`.
        author_size: the run trains the author's own network, so that the claim to the longest length is judged on it.
    """
    return [*_trained_lengths(task), *_beyond(task, author_size)]


def _trained_lengths(task: str) -> list[Claim]:
    return [
        Claim(
            "order_of_magnitude",
            "On the curriculum the DNC's error is ten times lower than the LSTM's.",
            PAPER,
            "an order of magnitude",
            f"squared error on lengths to {TASKS[task].longest}, LSTM / DNC (geometric means over lengths and seeds; as many "
            "parameters, the same search)",
            smallest=10,
            null=1,
            needs=NEEDS,
        ),
        Claim(
            "keeps_old_tasks",
            "After the last level the DNC still does the earlier ones.",
            PAPER,
            "still does well",
            "proportion of right answers on the earlier levels (cumulative curriculum: old lengths stay in the mix)",
            smallest=0.95,
            null=0.75,
            needs=NEEDS,
        ),
    ]


def _beyond(task: str, author_size: bool) -> list[Claim]:
    network = "detached, 256 slots, 4 heads" if author_size else "ours, which is smaller"
    return [
        Claim(
            "lstm_fails_beyond",
            "Beyond the trained lengths the LSTM's error is a hundred times the DNC's.",
            REPOSITORY,
            "about 700 and 0 to 3 at 25",
            f"squared error at length {near(task)}, LSTM / DNC (geometric means)",
            smallest=100,
            null=1,
            needs=NEEDS,
            effect=700 / 3,  # the smallest ratio that the author's two numbers allow
        ),
        Claim(
            "read_out",
            "Beyond them no table is needed: an LSTM whose read-out sees o · c is a hundred times better than the LSTM.",
            "ours",
            "–",
            f"squared error at length {near(task)}, LSTM / LSTM with o · c (geometric means)",
            smallest=100,
            null=1,
            needs=NEEDS,
        ),
        Claim(
            "accurate_far",
            f"Trained to length {TASKS[task].longest}, the DNC is accurate to length {far(task)}.",
            REPOSITORY,
            "squared error 0 to 3 at 100",
            f"root mean squared error at length {far(task)} by the size of the answers (geometric mean; {network})",
            smallest=0.01,
            null=0.05,
            better="lower",
            needs=NEEDS,
        ),
    ]
