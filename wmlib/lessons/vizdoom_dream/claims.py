"""What notebook 05 judges: five claims and their rules, written down before the run; and the best score that others report."""

from __future__ import annotations

from wmlib.experiment.claims import Claim

COUNTS = 70.0  # tics, the smallest effect of interest: between the author's LSTM (his WorldModels repository) and DNC (thesis)
SOLVED = 750.0  # tics, the mean over 100 games that counts as solving
BEST_REPORTED = 1125.0  # tics, Tang, Nguyen & Ha 2020: the best score that we know of
NEEDS = 5  # training seeds


def rules(temperature: float, low_temperature: float) -> list[Claim]:
    """Return the claims: DNC against LSTM, solved, best blind player, temperature, and whether the agent needs to see balls.

    Args:
        temperature, low_temperature: of the dreams in which the two LSTM agents of the fourth claim were evolved.
    """
    return [
        Claim(
            "dnc_better",
            "The MDN-DNC's controller lives longer than the MDN-LSTM's.",
            "Mufti, MSc thesis 2018 (summary); the LSTM's score: his WorldModels repository",
            "DNC clearly higher; LSTM 680 ± 411, DNC reaches 750",
            "tics, MDN-DNC minus MDN-LSTM with as many cells (same games)",
            smallest=COUNTS,
            needs=8,
        ),
        Claim(
            "solved",
            "A controller evolved in dreams alone solves the game (mean of at least 750).",
            "ours, after Ha & Schmidhuber 2018",
            "1092 ± 556 at temperature 1.15",
            "tics, MDN-DNC",
            smallest=SOLVED,
            null=350.0,  # about what a random player survives that holds its actions
            needs=NEEDS,
            effect=1092.0,
        ),
        Claim(
            "beats_blind",
            "It lives longer than the best blind player, which never looks at a fireball.",
            "ours",
            "not compared",
            "tics, MDN-DNC minus best blind player (same games)",
            smallest=COUNTS,
            needs=NEEDS,
        ),
        Claim(
            "transfer",
            "Temperature helps what is learnt to hold in the real game.",
            "Ha & Schmidhuber 2018",
            "193 at 0.1, 1092 at 1.15",
            f"tics, LSTM at {temperature:g} minus at {low_temperature:g}, evolved for as many generations (same games)",
            smallest=100.0,
            needs=NEEDS,
            effect=1092.0 - 193.0,
        ),
        Claim(
            "looks",
            "It needs to see the fireballs: painting them out costs at least 70 tics, against the whole frame and against "
            "as much paint elsewhere.",
            "ours",
            "not asked",
            "tics lost blindfolded by the MDN-DNC (against the whole frame or as much paint elsewhere, whichever is less)",
            smallest=COUNTS,
            needs=NEEDS,
        ),
    ]
