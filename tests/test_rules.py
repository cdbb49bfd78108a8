"""The rules of all notebooks, simulated: how often each verdict would come if the truth were known.

`pytest tests/test_rules.py -s` prints the table. The noise is that of the committed results.
"""

from pathlib import Path

import numpy as np
import pytest

from wmlib.experiment import results, settings
from wmlib.experiment.claims import VERDICTS, claim_of, simulate

FIGURES = Path(__file__).parents[1] / "figures"
NOTEBOOKS = sorted(path.name for path in FIGURES.iterdir() if path.is_dir())
TRIALS = 400


def records(notebook):
    """Return by claim the record whose noise is simulated, the study's where there is one, and the sizes of quick and study."""
    quick = {record["id"]: record for record in results.read(FIGURES / notebook / "results.json")["claims"]}
    file = FIGURES / notebook / "study/results.json"
    study = {record["id"]: record for record in results.read(file)["claims"]} if file.is_file() else {}
    for name, record in quick.items():
        if name in study:
            yield study[name], {"quick": record["n"], "study": study[name]["n"]}
        else:
            known = settings.read(notebook)
            repeats = next(known[setting] for setting in ("seeds", "fits", "runs") if setting in known)
            yield record, {"quick": record["n"], "study": record["n"] * repeats.study // repeats.quick}


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_no_rule_denies_a_true_effect_of_the_author_s_size(notebook):
    rng = np.random.default_rng(0)
    print(f"\n{notebook}\n{'claim':26}{'size':>6}{'n':>6}  {'truth':12}" + "".join(f"{verdict:>16}" for verdict in VERDICTS))
    for record, sizes in records(notebook):
        claim = claim_of(record)
        if record["evidence"]["estimator"] == "ratio_of_sums" and record["n"] < 2:
            print(f"{claim.id:26} one training seed so far: how far others lie apart is not known")
            continue
        effect = claim.smallest if claim.effect is None else claim.effect
        truths = {"no effect": claim.null, "half of it": (claim.null + effect) / 2, "the author's": effect}
        for (size, n), (name, truth) in ((size, truth) for size in sizes.items() for truth in truths.items()):
            often = simulate(record, truth, n, TRIALS, rng)
            print(f"{claim.id:26}{size:>6}{n:>6}  {name:12}" + "".join(f"{often[verdict]:>16.0%}" for verdict in VERDICTS))
            if name == "the author's":
                assert often["not reproduced"] <= 0.1, (claim.id, size)
            if name == "no effect":
                assert often["reproduced"] <= 0.1, (claim.id, size)
