"""The README's claims table, generated from figures/*/results.json between two marks."""

from pathlib import Path

from wmlib.experiment import results
from wmlib.experiment.atomic import write_atomically

BEGIN, END = "<!-- claims: written by `python -m wmlib readme` -->", "<!-- end of claims -->"


def claims_table(figures: Path, only: str = "*", notebooks: str = "notebooks/") -> str:
    """Return the table of claims in Markdown, one row a claim, from the results of all notebooks or of the one named.

    Source: figures/*/results.json; nothing in it is typed by hand.
    """
    rows = [
        "| notebook | claim (source) | reported | measured here, 95 % interval | n | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for file in sorted(figures.glob(f"{only}/results.json")):
        found = results.read(file)
        for c in found["claims"]:
            ours = f"{c['measure']}: **{c['ours']:.3g}** [{c['interval'][0]:.3g}, {c['interval'][1]:.3g}]"
            link = f"[{found['notebook'][:2]}]({notebooks}{found['notebook']}.ipynb)"
            cells = (link, f"{c['text']} ({c['source']})", c["paper"], ours, str(c["n"]), f"**{c['verdict']}**: {c['rule']}")
            rows.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(rows)


def with_claims(readme: str, figures: Path) -> str:
    """Return the README's text with the table between the marks replaced.

    Raises:
        ValueError: the marks are missing.
    """
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README: the marks {BEGIN} and {END} are missing; put them where the table belongs")
    return f"{head}{BEGIN}\n{claims_table(figures)}\n{END}{tail}"


def write_claims(readme: Path, figures: Path) -> None:
    """Rewrite the table in the README, atomically."""
    text = with_claims(readme.read_text(encoding="utf-8"), figures)
    write_atomically(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))
