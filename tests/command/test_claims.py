"""The README's table: a function of the stored results, between two marks."""

import pytest

from wmlib.command import claims
from wmlib.experiment import results
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.results import ResultsError
from wmlib.experiment.statistics import Evidence


def store(folder, profile, notebook, texts, successes=75, measure="success rate"):
    """Write the results of a notebook with one claim for each text."""
    records = []
    evidence = Evidence("proportion", {"successes": successes, "n": 100})
    for i, text in enumerate(texts):
        claim = Claim(f"claim-{i}", text, "a|b", "80 %\nand more", measure, smallest=0.7, null=0.5)
        records.append(judge(claim, evidence))
    headline = {"label": "rate", "value": 0.75, "interval": [0.625, 0.8125], "n": 13, "text": "three of four"}
    record = {"settings": {}, "data": {}, "versions": {}, "commit": None, "dirty": None, "figures": []}
    record |= {"schema": 2, "notebook": notebook, "title": "T", "profile": profile, "seed": 1, "seeds": {}, "device": "cpu"}
    record |= {"machine": "two cores", "wall_time_s": 2.0, "from_scratch_s": 3.0, "headline": headline, "claims": records}
    results.write(folder / "results.json", record)


@pytest.fixture
def figures(tmp_path):
    folder = tmp_path / "figures"
    store(folder / "02_other", "quick", "02_other", ["It is three."])
    store(folder / "01_good", "quick", "01_good", ["It is one.", "It is two."])
    store(folder / "01_good/study", "study", "01_good", ["It is one.", "It is two."], successes=65)
    return folder


def test_one_row_a_claim_in_the_order_of_the_notebooks(figures):
    head, rule, *rows = claims.claims_table(figures).splitlines()
    assert head.count("|") == rule.count("|") == 6
    assert [row.split(" (")[0].rpartition("| ")[2] for row in rows] == ["It is one.", "It is two.", "It is three."]
    assert rows[0] == (
        "| [01](notebooks/01_good.ipynb) | It is one. (a\\|b) | 80 % and more | success rate: **0.65 [0.553, 0.736]**, n = 100"
        "<br><sub>quick: 0.75 [0.657, 0.825], n = 100</sub> | **partly** |"
    )


def test_without_a_study_run_nothing_is_decided(figures):
    row = claims.claims_table(figures, notebooks="{}.html").splitlines()[-1]
    assert row == (
        "| [02](02_other.html) | It is three. (a\\|b) | 80 % and more | success rate: no study run yet"
        "<br><sub>quick: 0.75 [0.657, 0.825], n = 100</sub> | **undecided**: no study run yet |"
    )


def test_a_quick_number_of_another_measure_says_so(figures):
    store(figures / "01_good", "quick", "01_good", ["It is one."], measure="rate of a smaller one")
    assert "<sub>quick: rate of a smaller one: 0.75 [0.657" in claims.claims_table(figures)


def test_claims_are_computed_again_from_the_single_runs(figures):
    assert claims.check(figures).startswith("5 claims in 3 files computed again")


@pytest.mark.parametrize(
    "change",
    [
        lambda claim: claim["evidence"]["values"].update(successes=66),
        lambda claim: claim.update(interval=[0.5625, 0.736358]),
        lambda claim: claim.update(n=101),
    ],
)
def test_stored_numbers_that_are_not_those_of_the_single_runs_are_named(figures, change):
    file = figures / "01_good/study/results.json"
    record = results.read(file)
    change(record["claims"][0])
    results.write(file, record)
    with pytest.raises(ResultsError, match=r"study/results.json: claim claim-0"):
        claims.check(figures)


def test_what_is_between_the_marks_is_replaced_and_nothing_else(figures):
    text = f"before\n{claims.BEGIN}\nold\n{claims.END}\nafter\n"
    new = claims.with_claims(text, figures)
    assert new == f"before\n{claims.BEGIN}\n{claims.claims_table(figures)}\n{claims.END}\nafter\n"
    assert claims.with_claims(new, figures) == new


@pytest.mark.parametrize("text", ["no marks", f"{claims.BEGIN} only", f"{claims.END} {claims.BEGIN}"])
def test_missing_marks_are_an_error(figures, tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(ValueError, match=r"README: the marks .* are missing; put them where the table belongs"):
        claims.write_claims(tmp_path / "README.md", figures)
    assert (tmp_path / "README.md").read_text() == text


def test_the_file_is_rewritten_as_a_whole(figures, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"Überschrift\n{claims.BEGIN}{claims.END}", encoding="utf-8")
    claims.write_claims(readme, figures)
    assert "It is three." in readme.read_text(encoding="utf-8") and {p.name for p in tmp_path.iterdir()} == {
        "figures",
        "README.md",
    }


def test_a_verdict_that_was_typed_in_is_refused(figures):
    file = figures / "01_good/results.json"
    file.write_text(file.read_text().replace('"verdict": "reproduced"', '"verdict": "partly"'))
    with pytest.raises(ResultsError, match="stored as 'partly', its rule and numbers give 'reproduced'"):
        claims.claims_table(figures)
