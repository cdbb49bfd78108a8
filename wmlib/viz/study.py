"""Figures of a lesson that a small run cannot make: from this run where it has them, else from the stored study run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from wmlib.viz.figures import save_figure, show_figure
from wmlib.viz.lesson import note

if TYPE_CHECKING:
    from wmlib.experiment.run import Run


def show_part(
    run: Run,
    part: Any,
    name: str,
    draw: Callable[[Any], Figure],
    alt: str,
    caption: Callable[[Any, Mapping[str, Any]], str],
    *,
    beside: bool = False,
) -> None:
    """Show a figure: saved from this run's numbers; without any, from the study run's; without these, a line that says so.

    Args:
        run: the notebook's run.
        part: what is drawn, as it is in this run's results; empty if the run has none.
        name: of the part in the study run's data, and of the figure's file.
        draw: takes the part.
        alt: see `save_figure`.
        caption: takes the part that is drawn and the settings of its run.
        beside: True shows the study run's figure beside this run's own too, if there is one and its settings are others.
    """
    if part:
        save_figure(run, draw(part), name, alt, caption(part, vars(run.settings)))
    study = run.study or {"data": {}, "settings": {}}
    if part and not (beside and study["settings"] != vars(run.settings)):
        return
    stored = study["data"].get(name)
    if stored:
        show_figure(draw(stored), alt)
        note(f"*From the study run. {caption(stored, study['settings'])}*")
    elif not part:
        note("*This profile makes no such run; the study run draws this figure.*")
