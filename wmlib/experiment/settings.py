"""Settings: what smoke, quick, study and paper mean for each notebook, and how one value is overridden.

`notebooks/profiles.toml` is the only place where the values stand. A notebook shows its own table and gets a frozen
dataclass of resolved values; the runner reads the same table to refuse a wrong name, type or range before anything starts.
"""

import dataclasses
import difflib
import html
import keyword
import math
import tomllib
from pathlib import Path
from typing import Any

from wmlib.experiment import paths

PROFILES = ("smoke", "quick", "study", "paper")
DEVICES = ("auto", "cpu", "cuda")
RULES = "rules"  # a table that is no notebook's; see `rules`
RUN = ("profile", "seed", "device", "overrides")  # parameters of every notebook, so no settings
KINDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "a text"}


class SettingError(ValueError):
    """A notebook, profile, parameter or value that cannot be used; the message is one line for the user."""


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or an empty string."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def choose(argument: str, value: Any, allowed: list[str] | tuple[str, ...]) -> Any:
    """Return the value if it is one of the allowed, else raise a `SettingError` with the nearest right one."""
    if value not in allowed:
        raise SettingError(
            f"{argument}: got {_quoted(value)}; allowed are {', '.join(map(str, allowed))}.{nearest(value, allowed)}"
        )
    return value


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One number or word of a notebook that the profiles set.

    Args:
        name: as in `profiles.toml`, and in the notebook's parameters cell if it has a line there.
        doc: what it is, with its unit.
        smoke, quick, study, paper: its value in each profile; the type of `quick` is the type of all.
        min, max: bounds of numbers, both included; None: no bound.
        choices: the allowed values; None: any.

    Raises:
        SettingError: these do not fit together; the message names the setting.
    """

    name: str
    doc: str
    smoke: Any
    quick: Any
    study: Any
    paper: Any
    min: float | None = None
    max: float | None = None
    choices: tuple | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or keyword.iskeyword(self.name) or self.name in RUN:
            raise SettingError(f"{self.name}: allowed is a Python name other than {', '.join(RUN)}")
        if not isinstance(self.doc, str) or not self.doc.strip():
            raise SettingError(f"{self.name}: doc: got {self.doc!r}; allowed is a text that says what it is, with its unit")
        kind = type(self.quick)
        if kind not in KINDS:
            raise SettingError(f"{self.name}: quick: got {_quoted(self.quick)}; allowed is a number, a text, true or false")
        bounds = {name: value for name in ("min", "max") if (value := getattr(self, name)) is not None}
        for name, value in bounds.items():
            if kind not in (int, float) or type(value) not in (int, float) or not math.isfinite(value):
                raise SettingError(f"{self.name}: {name}: got {value!r}; allowed is a number, where the setting is one")
        if len(bounds) == 2 and self.min > self.max:  # type: ignore[operator]
            raise SettingError(f"{self.name}: got min = {self.min}, max = {self.max}; allowed is min <= max")
        if self.choices is not None and (not self.choices or {type(choice) for choice in self.choices} != {kind}):
            raise SettingError(
                f"{self.name}: choices: got {list(self.choices)}; allowed is a list of values like {self.quick!r}"
            )
        for profile in PROFILES:
            try:
                self.check(getattr(self, profile))
            except SettingError as error:
                raise SettingError(f"{error}, in profile {profile}") from None

    def check(self, value: Any) -> Any:
        """Return the value in this setting's type, or raise a `SettingError` that says what is allowed."""
        kind = type(self.quick)
        if kind is float and type(value) is int and abs(value) < 2**1000:
            value = float(value)
        if type(value) is not kind or (kind is float and not math.isfinite(value)):
            raise SettingError(f"{self.name}: got {_quoted(value)}; allowed is {KINDS[kind]}, for example {self.quick!r}")
        if self.choices is not None:
            choose(self.name, value, self.choices)
        too_low = self.min is not None and not value >= self.min
        too_high = self.max is not None and not value <= self.max
        if too_low or too_high:
            raise SettingError(f"{self.name}: got {_quoted(value)}; allowed is {self.allowed()} ({self.doc})")
        return value

    def allowed(self) -> str:
        """Return the allowed range in words."""
        if self.choices is not None:
            return " or ".join(map(str, self.choices))
        low, high = self.min, self.max
        return {
            (True, True): f"{low} to {high}",
            (True, False): f">= {low}",
            (False, True): f"<= {high}",
            (False, False): "any",
        }[low is not None, high is not None]


def load(file: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return a table of settings as it stands in its file: the rows of each notebook, not checked yet, and the rules.

    Args:
        file: the table; None: `notebooks/profiles.toml`.

    Raises:
        SettingError: it cannot be read, or is no table of tables.
    """
    file = file or paths.notebooks() / "profiles.toml"
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"{file} cannot be read: {reason}. Correct it, or get it back by: git checkout {file}") from None
    for notebook, table in rows.items():
        if not isinstance(table, dict):
            raise SettingError(f"{file}: {notebook}: got {_quoted(table)}; allowed is a table of settings, [{notebook}]")
    return rows


def tables(file: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the rows of each notebook, not checked yet, in the order of the file; arguments and errors as for `load`."""
    return {notebook: rows for notebook, rows in load(file).items() if notebook != RULES}


def read(notebook: str, file: Path | None = None) -> dict[str, Setting]:
    """Return the settings of one notebook by name, in the order of `profiles.toml`.

    Args:
        notebook: its file name without ending, for example "01_cma_es_toy".
        file: another table of the same form; None: `notebooks/profiles.toml`.

    Raises:
        SettingError: no such notebook, or a row of its table is wrong: the message names the file, the table and the row.
    """
    file = file or paths.notebooks() / "profiles.toml"
    rows = tables(file)
    choose("notebook", notebook, list(rows))
    try:
        return {name: _setting(name, row) for name, row in rows[notebook].items()}
    except SettingError as error:
        raise SettingError(f"{file}, table [{notebook}]: {error}") from None


def _setting(name: str, row: Any) -> Setting:
    fields = [field.name for field in dataclasses.fields(Setting)][1:]
    needed = fields[:-3]
    if not isinstance(row, dict):
        raise SettingError(
            f'{name}: got {_quoted(row)}; allowed is a row such as {{ doc = "…", smoke = 1, quick = 2, study = 3, paper = 4 }}'
        )
    missing = [field for field in needed if field not in row]
    if missing:
        raise SettingError(f"{name}: {', '.join(missing)} missing; each setting needs {', '.join(needed)}")
    for field in row:
        choose(f"{name}: key", field, fields)
    choices = row.get("choices")
    if choices is not None and not isinstance(choices, list):
        raise SettingError(f"{name}: choices: got {_quoted(choices)}; allowed is a list")
    return Setting(name, **{**row, "choices": None if choices is None else tuple(choices)})


def resolve(settings: dict[str, Setting], profile: str, overrides: dict[str, Any]) -> Any:
    """Return a frozen dataclass of values: the profile's, except where an override is not None.

    Raises:
        SettingError: unknown profile or name (with the nearest right one), wrong type, out of range.

    Example:
        >>> table = {"budget": Setting("budget", "evaluations", 10, 100, 500, 1000, min=1)}
        >>> resolve(table, "quick", {"budget": None}).budget, resolve(table, "quick", {"budget": 7}).budget
        (100, 7)
    """
    choose("profile", profile, PROFILES)
    for name in overrides:
        choose("parameter", name, list(settings))
    values = {
        name: getattr(s, profile) if overrides.get(name) is None else s.check(overrides[name]) for name, s in settings.items()
    }
    resolved = dataclasses.make_dataclass("Settings", [(n, type(v)) for n, v in values.items()], frozen=True)
    return resolved(**values)


def as_html(settings: dict[str, Setting], resolved: Any, profile: str) -> str:
    """Return the table that a notebook shows: each setting, the profiles and the value of this run."""
    head = "".join(f"<th>{h}</th>" for h in ("setting", "what it is", *PROFILES, "this run"))
    rows = []
    for name, s in settings.items():
        mine = getattr(resolved, name)
        cells = [f"<b>{v}</b>" if p == profile else str(v) for p in PROFILES for v in [getattr(s, p)]]
        changed = " (yours)" if mine != getattr(s, profile) else ""
        columns = [f"<code>{name}</code>", html.escape(s.doc), *cells, f"<b>{mine}</b>{changed}"]
        rows.append("<tr>" + "".join(f"<td>{c}</td>" for c in columns) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
