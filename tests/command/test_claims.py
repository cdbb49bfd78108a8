"""The README's table: a function of the stored results, between two marks."""

import pytest

from wmlib.command import claims
from wmlib.experiment import results
from wmlib.experiment.results import Claim, ResultsError, judge
from wmlib.experiment.statistics import Estimate


def store(figures, notebook, *texts):
    """Write the results of a notebook with one claim for each text."""
    records = []
    for i, text in enumerate(texts):
        claim = Claim(f"claim-{i}", text, "a|b", "80 %\nand more", "success rate", reproduced=0.9, partly=0.5)
        records.append(judge(claim, Estimate(0.75, 0.625, 0.8125, 13)))
    headline = {"label": "rate", "value": 0.75, "interval": [0.625, 0.8125], "n": 13, "text": "three of four"}
    record = {"settings": {}, "data": {}, "versions": {}, "commit": None, "dirty": None, "figures": []}
    record |= {"schema": 1, "notebook": notebook, "title": "T", "profile": "quick", "seed": 1, "device": "cpu"}
    record |= {"machine": "two cores", "wall_time_s": 2.0, "from_scratch_s": 3.0, "headline": headline, "claims": records}
    results.write(figures / notebook / "results.json", record)


@pytest.fixture
def figures(tmp_path):
    store(tmp_path / "figures", "02_other", "It is three.")
    store(tmp_path / "figures", "01_good", "It is one.", "It is two.")
    return tmp_path / "figures"


def test_one_row_a_claim_in_the_order_of_the_notebooks(figures):
    head, rule, *rows = claims.claims_table(figures).splitlines()
    assert head.count("|") == rule.count("|") == 7
    assert [row.split(" (")[0].rpartition("| ")[2] for row in rows] == ["It is one.", "It is two.", "It is three."]
    assert rows[0] == (
        "| [01](notebooks/01_good.ipynb) | It is one. (a\\|b) | 80 % and more | success rate: **0.75** [0.625, 0.812] | 13 "
        "| **partly**: reproduced if success rate >= 0.9; partly if >= 0.5; else not reproduced |"
    )


def test_the_table_of_one_notebook_with_links_from_beside_it(figures):
    rows = claims.claims_table(figures, only="02_other", notebooks="").splitlines()[2:]
    assert len(rows) == 1 and rows[0].startswith("| [02](02_other.ipynb) | It is three. ")
    assert len(claims.claims_table(figures, only="03_third").splitlines()) == 2


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
    file.write_text(file.read_text().replace('"verdict": "partly"', '"verdict": "reproduced"'))
    with pytest.raises(ResultsError, match="stored as 'reproduced', its rule and numbers give 'partly'"):
        claims.claims_table(figures)
