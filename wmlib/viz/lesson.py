"""Small things a lesson cell needs: show a piece of wmlib's source, say a measured number, check an exercise's answer."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wmlib.experiment.claims import measured

if TYPE_CHECKING:
    from wmlib.experiment.run import Run


def source(thing: Callable | type) -> str:
    """Return the source of a function or class without its docstring: the code that runs, so it cannot drift.

    Args:
        thing: defined in a file or a notebook cell.

    Returns:
        The lines from `def` or `class` (or the first decorator) on, without indentation.

    Example:
        >>> print(source(check).splitlines()[0])
        def check(yours: Any, truth: float, tolerance: float = 0.02) -> str:
    """
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    lines = text.splitlines()
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def show_source(thing: Callable | type, first: str = "", last: str = "") -> None:
    """Show the source of a function or class in a notebook, with highlighting.

    Args:
        thing: whose source; its docstring is left out.
        first, last: show only from the line that contains `first` to the next one that contains `last`.

    Raises:
        ValueError: no such line (the library has changed: change the notebook too).
    """
    from IPython.display import Code, display

    lines = source(thing).splitlines()
    begin = _line_with(lines, first, 0)
    end = _line_with(lines, last, begin) if last else len(lines) - 1
    display(Code(textwrap.dedent("\n".join(lines[begin : end + 1])), language="python"))


def note(text: str) -> None:
    """Show a sentence as Markdown; as an f-string it has its numbers from the run."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def show_claims(run: Run) -> None:
    """Show the claims in a run's results as a table: what this run measured, and the verdict of the committed study run."""
    from wmlib.experiment import results

    study = run.study or {"claims": []}
    verdicts = {claim["id"]: claim for claim in study["claims"]}
    rows = [
        f"| claim (source) | reported | measure | {run.profile}: this run | by the rule | study run | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in results.read(run.results_file)["claims"]:
        of_study = verdicts.get(claim["id"])
        cells = (
            f"{claim['text']} ({claim['source']})",
            claim["reported"],
            claim["measure"],
            _measured(claim),
            _verdict(claim),
            _of_study(claim, of_study) if of_study else "none yet",
            f"**{_verdict(of_study)}**" if of_study else "**undecided**: no study run yet",
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    note("\n".join(rows))


def _measured(claim: dict[str, Any]) -> str:
    return f"{measured(claim)}, n = {claim['n']}"


def _of_study(claim: dict[str, Any], of_study: dict[str, Any]) -> str:
    """Return what the study run measured, and what that is where a run of another size measures something else."""
    other_measure = "" if of_study["measure"] == claim["measure"] else f"{of_study['measure']}: "
    return other_measure + _measured(of_study)


def _verdict(claim: dict[str, Any]) -> str:
    return claim["verdict"] + (f": {claim['reason']}" if claim["reason"] else "")


def _line_with(lines: list[str], text: str, start: int) -> int:
    for i in range(start, len(lines)):
        if text in lines[i]:
            return i
    raise ValueError(f"no line with {text!r} in this source; read it and change the notebook's show_source call")


def check(yours: Any, truth: float, tolerance: float = 0.02) -> str:
    """Return one line that sets an exercise's answer beside the true value; None means not answered yet.

    Args:
        yours: the reader's number, or None.
        truth: the number that the run stored or computed.
        tolerance: relative difference that still counts as right.

    Returns:
        "right" with the true value, "not yet" without it, what to do when there is no answer, or what is wrong with one that
        is no number.

    Example:
        >>> check(None, 2.0)
        'not answered yet: replace None by your number and run the cell again'
        >>> check(2.01, 2.0)
        'right: yours 2.01, true 2'
    """
    if yours is None:
        return "not answered yet: replace None by your number and run the cell again"
    try:
        yours = float(yours)
    except (TypeError, ValueError):
        return f"yours is {yours!r}; give a number"
    if math.isclose(yours, truth, rel_tol=tolerance, abs_tol=1e-9):
        return f"right: yours {yours:g}, true {truth:g}"
    return f"not yet: {yours:g} is too {'small' if yours < truth else 'large'}"
