"""Figures: one style, saved with alt text, drawn from stored results, the same bytes for the same input.

Reading guide. A function that draws is marked `@styled`, so that it draws in the project's style and leaves the reader's own
matplotlib settings alone.

A notebook calls `save_figure(run, figure, "name", alt=…, caption=…)`: the PNG goes beside results.json, is listed there, and is
shown in the notebook with its alt text. `save_animation` does the same for a GIF and its static poster.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from wmlib.experiment import results
from wmlib.experiment.atomic import write_atomically

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

P = ParamSpec("P")
T = TypeVar("T")

# Okabe and Ito's palette, safe for the common kinds of colour blindness; the order is kept in all notebooks
COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "pink": "#CC79A7",
    "gold": "#E69F00",
    "sky": "#56B4E9",
    "grey": "#5F6368",
}
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DPI = 144
FILM_DPI = 84  # an animation has many frames: smaller ones

STYLE: dict[Any, Any] = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DADCE0",
    "grid.linewidth": 0.6,
    "axes.prop_cycle": cycler(color=list(COLORS.values())),
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "image.cmap": "viridis",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style inside this block; afterwards the reader's own settings are back, also after an error."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw in the project's style: a decorator for whatever makes or changes a figure."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> T:
        with style():
            return draw(*args, **kwargs)

    return in_style


@styled
def new_figure(
    width: float = 7.0, height: float = 4.0, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure in the project's style and its array of axes (rows, columns), without touching pyplot's state.

    Args:
        width, height: inches.
        rows, columns: grid of axes.
        options: for `Figure.subplots`, for example `sharex=True`.
    """
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


@styled
def to_png(figure: Figure, watermark: bool = False, dpi: int = DPI) -> bytes:
    """Return the figure as PNG; with a watermark that says it comes from a smoke run.

    Args:
        figure: left as it was.
        watermark: write over it that it is no result.
        dpi: dots per inch.

    Returns:
        The file's bytes: the same for the same figure, whenever and by whomever it is drawn.
    """
    mark = _watermark(figure) if watermark else None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    if mark:
        mark.remove()
    return buffer.getvalue()


def _watermark(figure: Figure) -> Text:
    return figure.text(
        0.5, 0.5, "smoke run: not a result", fontsize=22, color="#B00020", alpha=0.35, ha="center", va="center", rotation=20
    )


def save_figure(run: Run, figure: Figure, name: str, alt: str, caption: str) -> None:
    """Save a figure beside the run's results.json, list it there and show it.

    Args:
        run: its smoke profile watermarks the picture.
        figure: drawn from stored results only.
        name: file name without ending.
        alt: what a reader who cannot see it should know, at least 20 characters.
        caption: one or two sentences, with n and what the interval is.

    Raises:
        ValueError: alt text or caption is missing.
    """
    _check_words(name, alt, caption)
    png = to_png(figure, watermark=run.profile == "smoke")
    _register(run, f"{name}.png", png, name, alt, caption)
    _show("image/png", png, alt, width=round(figure.get_figwidth() * 96))
    _caption(caption)


def show_figure(figure: Figure, alt: str) -> None:
    """Show a figure that explains and reports nothing: it is not saved, but it needs its alt text all the same."""
    _show("image/png", to_png(figure), alt, width=round(figure.get_figwidth() * 96))


def save_animation(
    run: Run,
    draw: Callable[[int], Figure],
    frames: Sequence[int],
    name: str,
    alt: str,
    caption: str,
    poster: int,
    ms: int = 120,
) -> None:
    """Save an animation as GIF with a static poster (PNG), list both in results.json, and show the GIF.

    Args:
        run: its smoke profile watermarks the frames.
        draw: frame number to figure; all of one size.
        frames: the frame numbers, in order.
        name, alt, caption: as for `save_figure`.
        poster: the frame that says most when standing still.
        ms: milliseconds a frame; the last one stays for two seconds.

    Raises:
        ValueError: alt text or caption is missing.
    """
    _check_words(name, alt, caption)
    smoke = run.profile == "smoke"
    pictures = [Image.open(io.BytesIO(to_png(draw(i), smoke, FILM_DPI))).convert("RGB") for i in frames]
    # one palette for all frames, taken from the poster: no flicker, and a smaller file
    still = to_png(draw(poster), smoke, FILM_DPI)
    palette = Image.open(io.BytesIO(still)).convert("RGB").quantize(255, dither=Image.Dither.NONE)
    coded = [p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    buffer = io.BytesIO()
    durations = [ms] * (len(coded) - 1) + [2000]
    coded[0].save(buffer, format="GIF", save_all=True, append_images=coded[1:], duration=durations, loop=0, optimize=False)
    _register(run, f"{name}.png", still, f"{name}_poster", alt + " (one frame of the animation)", caption)
    _register(run, f"{name}.gif", buffer.getvalue(), name, alt, caption)
    _show("image/gif", buffer.getvalue(), alt, width=round(pictures[0].width * 96 / FILM_DPI))
    _caption(caption)


def _check_words(name: str, alt: str, caption: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"name: got {name!r}; allowed are letters, digits, _, . and -: the picture lies beside results.json")
    for argument, text in (("alt", alt), ("caption", caption)):
        if len(text.strip()) < 20:
            raise ValueError(f"{argument}: got {text!r} for figure {name}; write at least 20 characters that say what is seen")


def _register(run: Run, file: str, content: bytes, name: str, alt: str, caption: str) -> None:
    """Write a picture beside results.json and list it there; one of the same name is replaced."""
    record = results.read(run.results_file)  # a figure without stored results is not a result
    write_atomically(run.figures / file, lambda temporary: Path(temporary).write_bytes(content))
    record["figures"] = [f for f in record["figures"] if f["name"] != name]
    record["figures"].append({"name": name, "file": file, "alt": alt, "caption": caption})
    record.update(run.clock())  # drawing is a part of the run
    results.write(run.results_file, record)


def _show(kind: str, content: bytes, alt: str, width: int) -> None:
    from IPython.display import display

    data = {kind: base64.b64encode(content).decode(), "text/plain": alt}
    display(data, raw=True, metadata={kind: {"alt": alt, "width": width}})


def _caption(text: str) -> None:
    from IPython.display import Markdown, display

    display(Markdown(f"*{text}*"))
