"""The table of claims, made from stored results: in the README between two marks, and at the head of the gallery.

A verdict is the study run's (`figures/NN_name/study/results.json`); in small, what the run in `figures/NN_name` gave.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wmlib.experiment import results
from wmlib.experiment.atomic import write_atomically
from wmlib.experiment.claims import check_evidence, measured

BEGIN = "<!-- claims: written by `python -m wmlib claims` -->"
END = "<!-- end of claims -->"
NO_STUDY = "no study run yet"


def claims_table(figures: Path, notebooks: str = "notebooks/{}.ipynb") -> str:
    """Return the table of claims in Markdown, one row a claim; nothing in it is typed by hand.

    Args:
        figures: folder with `NN_name/results.json` and `NN_name/study/results.json`; either may be absent.
        notebooks: link to a notebook, with {} for its name.

    Raises:
        ResultsError: a `results.json` is damaged.
    """
    rows = ["| | claim (source) | reported | ours: study run, 95 % interval, n | verdict |", "|---|---|---|---|---|"]
    for folder in sorted(path for path in Path(figures).glob("*") if path.is_dir()):
        shown = _read_if_there(folder / "results.json")
        study = _read_if_there(folder / "study/results.json")
        link = f"[{folder.name[:2]}]({notebooks.format(folder.name)})"
        profile = shown["profile"] if shown else ""
        rows += [_row(link, of_study, of_shown, profile) for of_study, of_shown in _pairs(study, shown)]
    return "\n".join(rows)


def _read_if_there(file: Path) -> dict[str, Any] | None:
    return results.read(file) if file.is_file() else None


def _pairs(study: dict | None, shown: dict | None) -> Iterator[tuple[dict | None, dict | None]]:
    """Yield each claim as the study has it and as the shown run has it, in the study's order."""
    by_id = [{claim["id"]: claim for claim in record["claims"]} if record else {} for record in (study, shown)]
    for name in dict.fromkeys([*by_id[0], *by_id[1]]):
        yield by_id[0].get(name), by_id[1].get(name)


def _row(link: str, study: dict | None, shown: dict | None, profile: str) -> str:
    claim = study or shown
    assert claim is not None
    ours = f"{claim['measure']}: " + (f"**{measured(study)}**, n = {study['n']}" if study else NO_STUDY)
    if shown:
        other_measure = f"{shown['measure']}: " if shown["measure"] != claim["measure"] else ""
        ours += f"<br><sub>{profile}: {other_measure}{measured(shown)}, n = {shown['n']}</sub>"
    verdict = "**undecided**: " + NO_STUDY
    if study:
        verdict = f"**{study['verdict']}**" + (f": {study['reason']}" if study["reason"] else "")
    cells = (link, f"{claim['text']} ({claim['source']})", claim["reported"], ours, verdict)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def check(figures: Path) -> str:
    """Compute every claim of all stored results again, from the numbers of the single runs.

    Args:
        figures: as `claims_table`.

    Returns:
        a sentence with the counts.

    Raises:
        ResultsError: a stored estimate, interval or verdict is not what its numbers give; the message names file and claim.
    """
    count = 0
    files = sorted([*figures.glob("*/results.json"), *figures.glob("*/study/results.json")])
    for file in files:
        for record in results.read(file)["claims"]:
            try:
                check_evidence(record)
            except ValueError as error:
                raise results.ResultsError(f"{file}: {error}") from None
            count += 1
    return f"{count} claims in {len(files)} files computed again: estimates, intervals and verdicts are as stored"


def with_claims(readme: str, figures: Path) -> str:
    """Return the README's text with the table between the marks replaced.

    Args:
        readme: its text.
        figures: as `claims_table`.

    Raises:
        ValueError: the marks are missing.
        ResultsError: a `results.json` is damaged.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README: the marks {BEGIN} and {END} are missing; put them where the table belongs")
    return f"{head}{BEGIN}\n{claims_table(figures)}\n{END}{tail}"


def write_claims(readme: Path, figures: Path) -> None:
    """Rewrite the table in the README, atomically.

    Raises:
        ValueError: as `with_claims`.
    """
    text = with_claims(readme.read_text(encoding="utf-8"), figures)
    write_atomically(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))
