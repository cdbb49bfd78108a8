"""A page of the gallery, the site it belongs to, and how a picture gets there.

Reading guide: `Site` knows where files come from and go to; `Page` is what the other modules fill: whatever a reader would
miss or a browser would fetch is noted in `Page.problems`, so that one run names all faults.
"""

import hashlib
import io
import os
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass
class Site:
    """Where the pages of one gallery go and what they may refer to.

    Args:
        folder: the gallery under construction.
        project: the clone of the project; only its files are copied.
        figures: the figures and results of the notebooks' profile.
        names: the notebooks that get a page.
    """

    folder: Path
    project: Path
    figures: Path
    names: list[str]

    def find(self, path: str) -> Path | None:
        """Return the file that a relative link in `notebooks/` names, or None; this run's figures go before committed ones."""
        target = Path(os.path.normpath(self.project / "notebooks" / path))
        committed = self.project / "figures"
        if target.is_relative_to(committed) and (self.figures / target.relative_to(committed)).is_file():
            return self.figures / target.relative_to(committed)
        return target if target.is_file() else None

    def add(self, relative: str, data: bytes) -> str:
        """Write one file of the gallery; return its relative address."""
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return relative


@dataclass
class Page:
    """A page and what the index needs to know of it.

    Args:
        name: the notebook's, `NN_name`.
        results: its results.json, if there is one.
        state: "ran", "failed" or "not run yet".
        failure: which cell failed, and why.
        title: as text.
        heading: the title as HTML: it may hold a formula.
        body: the cells as HTML.
        hero: the picture on its card as HTML.
        contents: level, id and HTML of each heading that the table of contents lists.
        ids: all that links can point to.
        crossings: links to headings of other pages, (name, id).
        problems: what a reader would miss, or a browser would fetch.
    """

    name: str
    results: dict[str, Any] | None
    state: str = "ran"
    failure: str = ""
    title: str = ""
    heading: str = ""
    body: str = ""
    hero: str = ""
    contents: list[tuple[int, str, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    crossings: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> str:
        """Note a fault; return an empty text to show in its place."""
        self.problems.append(text)
        return ""


def show_picture(data: bytes, suffix: str, alt: str, page: Page, site: Site, width: int = 0) -> str:
    """Write one picture beside the pages and return the HTML that shows it.

    An animation gives way to its poster, or its first frame, for readers who asked their system for less motion.

    Args:
        data: the file's bytes.
        suffix: `.png`, `.jpg`, `.gif` or `.svg`.
        alt: the words for those who do not see it; not empty.
        page: the page it is on.
        site: the gallery.
        width: pixels it takes on the page; 0 for those it has.

    Returns:
        An `<img>`, or a `<picture>` with a link to the animation.
    """
    stem = f"pictures/{page.name}-{hashlib.sha256(data).hexdigest()[:8]}"
    address = site.add(stem + suffix, data)
    size = still = ""
    if suffix != ".svg":
        try:
            with Image.open(io.BytesIO(data)) as picture:
                width = width or picture.width
                size = f' width="{width}" height="{round(picture.height * width / picture.width)}"'
                if getattr(picture, "is_animated", False):
                    still = site.add(f"{stem}-still.png", _still(picture, alt, page, site))
        except OSError:
            return page.problem(f"a picture ({suffix}, {len(data)} bytes) is damaged: {alt[:60]}")
    img = f'<img src="{address}" alt="{escape(alt)}"{size} loading="lazy">'
    if not still:
        return img
    source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{still}">'
    return f'<picture>{source}{img}</picture><a class="motion" href="{address}">Play the animation</a>'


def _still(animation: Image.Image, alt: str, page: Page, site: Site) -> bytes:
    """Return a PNG of an animation standing still: the poster that `save_animation` put beside it, else the first frame."""
    for figure in (page.results or {}).get("figures", []):
        poster = (site.figures / page.name / figure["file"]).with_suffix(".png")
        if figure["file"].endswith(".gif") and figure["alt"] == alt and poster.is_file():
            return poster.read_bytes()
    frame = io.BytesIO()
    animation.convert("RGB").save(frame, "PNG")
    return frame.getvalue()
