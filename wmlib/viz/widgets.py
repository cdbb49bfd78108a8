"""Sliders: one wrapper that draws a picture from cached numbers when a slider is let go.

A notebook shows a static figure first (`save_figure`): an exported page and a notebook without a kernel show no sliders.
"""

import html
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure

from wmlib.viz.figures import to_png


def explore(draw: Callable[..., Figure | bytes], alt: str, **sliders: Any) -> Any:
    """Return a widget: sliders above a picture that is drawn anew whenever one of them is let go.

    Args:
        draw: keyword values to a figure, or to a PNG of its own; reads cached results only, so that a redraw takes under
            half a second.
        alt: what the picture shows, for readers who cannot see it.
        sliders: for each argument of `draw` a tuple (label, values, start) with the list of values it can take.

    Returns:
        An `ipywidgets.VBox` of the sliders, the picture and the alt text.

    Raises:
        ValueError: a start value that is not among the values.
    """
    import ipywidgets

    controls: dict[str, Any] = {}
    for name, (label, values, start) in sliders.items():
        if start not in values:
            raise ValueError(f"{name}: the start value {start!r} is not among {list(values)!r}; choose one of them")
        controls[name] = ipywidgets.SelectionSlider(
            options=[(f"{v:g}" if isinstance(v, float) else str(v), v) for v in values],
            value=start,
            description=label,
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "460px"},
        )
    picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
    description = ipywidgets.HTML(f"<small>{html.escape(alt)}</small>")

    def redraw(change: Any = None) -> None:
        result = draw(**{name: control.value for name, control in controls.items()})
        picture.value = result if isinstance(result, bytes) else to_png(result, dpi=96)  # screen size: quick

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture, description])
