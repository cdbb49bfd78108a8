"""Small things a lesson cell needs: show a piece of wmlib's source, check an exercise's answer."""

import ast
import inspect
import math
import textwrap
from collections.abc import Callable
from typing import Any


def source(thing: Callable | type) -> str:
    """Return the source of a function or class without its docstring: the code that runs, so it cannot drift.

    Example:
        >>> print(source(close_to).splitlines()[0])
        def close_to(yours: float, truth: float, tolerance: float = 0.02) -> bool:
    """
    text = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)


def show_source(thing: Callable | type) -> None:
    """Show `source(thing)` in a notebook, with highlighting."""
    from IPython.display import Code, display

    display(Code(source(thing), language="python"))


def close_to(yours: float, truth: float, tolerance: float = 0.02) -> bool:
    """Return whether a number is within a relative tolerance of the truth."""
    return math.isclose(yours, truth, rel_tol=tolerance, abs_tol=1e-9)


def check(yours: Any, truth: float, tolerance: float = 0.02) -> str:
    """Return one line that sets an exercise's answer beside the true value; None means not answered yet.

    Args:
        yours: the reader's number, or None.
        truth: the number that the run stored or computed.
        tolerance: relative difference that still counts as right.

    Example:
        >>> check(None, 2.0)
        'not answered yet: replace None by your number and run the cell again'
        >>> check(2.01, 2.0)
        'right: yours 2.01, true 2'
    """
    if yours is None:
        return "not answered yet: replace None by your number and run the cell again"
    if not isinstance(yours, int | float):
        return f"yours is {yours!r}; give a number"
    verdict = "right" if close_to(yours, truth, tolerance) else "not yet"
    return f"{verdict}: yours {yours:g}, true {truth:g}"
