"""The README's claims table, generated from figures/*/results.json between two marks."""

from pathlib import Path
from typing import Any

from wmlib.experiment import results
from wmlib.experiment.atomic import write_atomically

BEGIN = "<!-- claims: written by `python -m wmlib claims` -->"
END = "<!-- end of claims -->"


def claims_table(figures: Path, only: str = "*", notebooks: str = "notebooks/") -> str:
    """Return the table of claims in Markdown, one row a claim; nothing in it is typed by hand.

    Args:
        figures: folder with `NN_name/results.json`.
        only: name of one notebook; "*" takes all.
        notebooks: where links to the notebooks begin.

    Raises:
        ResultsError: a `results.json` is damaged.
    """
    rows = [
        "| notebook | claim (source) | reported | measured here, 95 % interval | n | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for file in sorted(figures.glob(f"{only}/results.json")):
        record = results.read(file)
        link = f"[{record['notebook'][:2]}]({notebooks}{record['notebook']}.ipynb)"
        rows += [_row(link, claim) for claim in record["claims"]]
    return "\n".join(rows)


def _row(link: str, claim: dict[str, Any]) -> str:
    low, high = claim["interval"]
    cells = (
        link,
        f"{claim['text']} ({claim['source']})",
        claim["paper"],
        f"{claim['measure']}: **{claim['ours']:.3g}** [{low:.3g}, {high:.3g}]",
        str(claim["n"]),
        f"**{claim['verdict']}**: {claim['rule']}",
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def with_claims(readme: str, figures: Path) -> str:
    """Return the README's text with the table between the marks replaced.

    Args:
        readme: its text.
        figures: folder with `NN_name/results.json`.

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
