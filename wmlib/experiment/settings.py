"""Settings: what smoke, quick, study and paper mean for each notebook, and how one value is overridden.

`notebooks/profiles.toml` is the only place where the values stand. A notebook shows its own table and gets a frozen
dataclass of resolved values; the runner reads the same table to refuse a wrong name, type or range before anything starts.
"""

import dataclasses
import difflib
import html
import tomllib
from pathlib import Path
from typing import Any

from wmlib.experiment import paths

PROFILES = ("smoke", "quick", "study", "paper")
DEVICES = ("auto", "cpu", "cuda")


class SettingError(ValueError):
    """A notebook, profile, parameter or value that cannot be used; the message is one line for the user."""


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or an empty string."""
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def choose(argument: str, value: Any, allowed: list[str] | tuple[str, ...]) -> Any:
    """Return the value if it is one of the allowed, else raise a `SettingError` with the nearest right one."""
    if value not in allowed:
        raise SettingError(f"{argument}: got {value!r}; allowed are {', '.join(map(str, allowed))}.{nearest(value, allowed)}")
    return value


@dataclasses.dataclass(frozen=True)
class Setting:
    """One number or word of a notebook that the profiles set.

    Args:
        name: as in `profiles.toml`, and in the notebook's parameters cell if it has a line there.
        doc: what it is, with its unit.
        smoke, quick, study, paper: its value in each profile; the type of `quick` is the type of all.
        min, max: bounds, both included; None: no bound.
        choices: the allowed values; None: any.
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

    def check(self, value: Any) -> Any:
        """Return the value in this setting's type, or raise a `SettingError` that says what is allowed."""
        kind = type(self.quick)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise SettingError(f"{self.name}: got {value!r}; allowed is a {kind.__name__}, for example {self.quick!r}")
        if self.choices is not None:
            choose(self.name, value, self.choices)
        too_low = self.min is not None and not value >= self.min
        too_high = self.max is not None and not value <= self.max
        if too_low or too_high:
            raise SettingError(f"{self.name}: got {value!r}; allowed is {self.allowed()} ({self.doc})")
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


def read(notebook: str, file: Path | None = None) -> dict[str, Setting]:
    """Return the settings of one notebook by name, in the order of `profiles.toml`.

    Args:
        notebook: its file name without ending, for example "01_cma_es_toy".
        file: another table of the same form; None: `notebooks/profiles.toml`.

    Raises:
        SettingError: no such notebook, or a value of the table breaks its own bounds.
    """
    file = file or paths.notebooks() / "profiles.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    choose("notebook", notebook, list(table))
    settings = {}
    for name, row in table[notebook].items():
        if "choices" in row:
            row["choices"] = tuple(row["choices"])
        setting = settings[name] = Setting(name=name, **row)
        for profile in PROFILES:
            setting.check(getattr(setting, profile))
    return settings


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
