"""Rules between settings: values that are allowed one by one and fail together are refused before anything starts.

They stand at the end of `notebooks/profiles.toml`, in a table for each notebook, `[rules.NAME]`, a line for each rule:
"condition" = "why it must hold". A condition is made of names of settings, numbers, + - * **, == <= >=, and, or.
"""

import ast
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wmlib.experiment import paths, settings
from wmlib.experiment.settings import SettingError, choose

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
}


def read(notebook: str, file: Path | None = None) -> dict[str, str]:
    """Return the rules of one notebook: why each must hold, by condition.

    Args:
        notebook: its file name without ending.
        file: another table of settings; None: `notebooks/profiles.toml`.

    Raises:
        SettingError: the file cannot be read, or the rules are no tables of texts, or of a notebook that is not in it.
    """
    file = file or paths.notebooks() / "profiles.toml"
    table = settings.load(file)
    rules = table.pop(settings.RULES, {})
    for name, conditions in rules.items():
        choose(f"{file}: rules", name, list(table))
        if not isinstance(conditions, dict) or not all(isinstance(why, str) for why in conditions.values()):
            raise SettingError(f'{file}, table [rules.{name}]: got {conditions!r}; allowed are lines "condition" = "why"')
    return rules.get(notebook, {})


def check(notebook: str, values: Mapping[str, Any], file: Path | None = None) -> None:
    """Make sure that values go together.

    Args:
        notebook: its file name without ending.
        values: all its settings by name, each of them allowed by itself.
        file: as for `read`.

    Raises:
        SettingError: a rule does not hold, or cannot be understood; the message names the settings, the values and the rule.

    Example:
        >>> check("01_cma_es_toy", {"population": 64, "budget": 4000, "restart_budget": 20_000})
    """
    for condition, why in read(notebook, file).items():
        try:
            tree = ast.parse(condition, mode="eval").body
            holds = _value(tree, values)
        except (SyntaxError, TypeError, LookupError) as error:
            raise SettingError(
                f"profiles.toml, table [rules.{notebook}]: {condition!r} is not understood ({error}); "
                f"allowed are + - * **, == <= >=, and, or, numbers, {', '.join(values)}"
            ) from None
        if not holds:
            names = list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))
            got = ", ".join(f"{name} = {values[name]!r}" for name in names)
            raise SettingError(f"{notebook}: got {got}; allowed is {condition} ({why})")


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.BoolOp(op=op, values=parts):
            results = [_value(part, values) for part in parts]
            return any(results) if isinstance(op, ast.Or) else all(results)
    raise TypeError(ast.unparse(node))
