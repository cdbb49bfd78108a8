"""A page of the gallery, the site it belongs to, and how a picture gets there.

Reading guide: `Site` knows where files come from and go to; `Page` is what the other modules fill: whatever a reader would
miss or a browser would fetch is noted in `Page.problems`, so that one run names all faults.
"""

import base64
import hashlib
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from PIL import Image, UnidentifiedImageError

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "GIF": ".gif", "WEBP": ".webp"}  # MPO: JPEG with a preview inside
_FETCHING = re.compile(
    r"@import|\\|image-set|url\(\s*(?!['\"]?(?:#|data:))", re.IGNORECASE
)  # of style sheets; \\ hides what follows
_DRAWING = set(
    "circle clipPath defs desc ellipse g image line linearGradient marker mask metadata path pattern polygon polyline "
    "radialGradient rect stop style svg switch symbol text textPath title tspan use".split()
)


@dataclass
class Site:
    """Where the pages of one gallery go and what they may refer to.

    Args:
        folder: the gallery under construction.
        project: the clone of the project; only its files are copied.
        figures: the figures and results of the notebooks' profile.
        names: the notebooks that get a page.
        inside: the folder in each notebook's folder below `figures`: "study" for the study run, else "".
    """

    folder: Path
    project: Path
    figures: Path
    names: list[str]
    inside: str = ""

    def find(self, address: str) -> tuple[Path, PurePosixPath]:
        """Return the file that a relative address in `notebooks/` names; this run's figures go before committed ones.

        Args:
            address: as a link has it: percent-coded, perhaps with `?` or `#` and more behind.

        Returns:
            The file, and its place in the project.

        Raises:
            ValueError: it names no file of the project that may be shown; begins with "names".
        """
        try:
            url = urlsplit(address)
            path = unquote(url.path, errors="strict")
            place = PurePosixPath(os.path.normpath(PurePosixPath("notebooks") / path))
            run = self.project / place
            if place.parts[0] == "figures":
                run = self.figures.joinpath(*place.parts[1:-1], self.inside, place.name)
            file = run if os.path.isfile(run) else self.project / place
            hidden = place.is_absolute() or ".." in place.parts or "\\" in path  # which browsers read as /
            good = not (url.scheme or url.netloc or hidden) and self._is_ours(file)
        except ValueError:  # no address at all
            good = False
        if not good:
            raise ValueError("names no file of the project (relative paths start in notebooks/)")
        return file, place

    def _is_ours(self, file: Path) -> bool:
        """Return whether this is a file that can be read and lies in the project or the run, symbolic links followed."""
        if not os.path.isfile(file) or not os.access(file, os.R_OK):
            return False
        real = file.resolve()
        homes = (self.project.resolve(), self.figures.resolve())
        return any(real.is_relative_to(home) and ".git" not in real.relative_to(home).parts for home in homes)

    def figure(self, notebook: str, file: str) -> Path | None:
        """Return a figure of a notebook that its results.json names, or None if there is none of this name beside it."""
        folder = self.figures / notebook / self.inside
        path = folder / file
        return path if path.parent == folder and self._is_ours(path) else None

    def add(self, relative: str, data: bytes) -> str:
        """Write one file of the gallery; return its relative address, percent-coded."""
        target = self.folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return quote(relative)


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
        """Note a fault, on one line; return an empty text to show in its place."""
        self.problems.append(" ".join(text.split()))
        return ""


def show_picture(data: bytes, alt: str, page: Page, site: Site, given: dict[str, str]) -> str:
    """Write one picture beside the pages and return the HTML that shows it.

    An animation gives way to its poster, or its first frame, for readers who asked their system for less motion.

    Args:
        data: the file's bytes: PNG, JPEG, GIF, WebP or SVG.
        alt: the words for those who do not see it; not empty.
        page: the page it is on.
        site: the gallery.
        given: further attributes of the `<img>`; of a size with one side the other follows.

    Returns:
        An `<img>`, or a `<picture>` with a link to the animation.

    Raises:
        ValueError: it cannot be decoded to its last row; begins with "is".
    """
    try:
        suffix, size, frames = _decode(data)
    except UnidentifiedImageError:
        raise ValueError("is damaged, or neither PNG, JPEG, GIF, WebP nor SVG") from None
    except Exception as error:  # Pillow raises a dozen kinds
        raise ValueError(f"is damaged ({error})") from error
    stem = f"pictures/{page.name}-{hashlib.sha256(data).hexdigest()[:8]}"
    address = site.add(stem + suffix, data)
    attributes = {"src": address, "alt": alt} | _sized(given, size) | {"loading": "lazy"}
    img = f"<img{''.join(f' {name}={quoteattr(value)}' for name, value in attributes.items())}>"
    if frames == 1:
        return img
    still = site.add(f"{stem}-still.png", _still(data, alt, page, site))
    source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{still}">'
    return f'<picture>{source}{img}</picture><a class="motion" href="{address}">Play the animation</a>'


def decode_base64(text: str) -> bytes:
    """Return the bytes of a picture in a notebook; none if they are damaged, so that no picture is found in them."""
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""


def _decode(data: bytes) -> tuple[str, tuple[int, int] | None, int]:
    """Return a picture's suffix, its width and height (None for a drawing), and how many frames it has.

    Raises:
        Exception: it is not whole, no picture, or a drawing with more in it than shapes and text.
    """
    if data.lstrip()[:1] == b"<":
        _check_drawing(data)
        return ".svg", None, 1
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        picture.verify()
    with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
        kind = picture.format or ""
        frames = getattr(picture, "n_frames", 1) if kind != "MPO" else 1
        for frame in range(frames):
            picture.seek(frame)
            picture.load()
    whole = {"PNG": b"IEND\xaeB`\x82" in data, "GIF": data.rstrip(b"\0").endswith(b";")}  # which Pillow does not miss
    if not whole.get(kind, True):
        raise ValueError("its end is missing")
    return _SUFFIXES[kind], picture.size, frames


def _check_drawing(data: bytes) -> None:
    """Raise a ValueError if an SVG has anything but shapes and text: opened by itself it would be a live page."""
    for event, element in ElementTree.iterparse(io.BytesIO(data), ("end", "pi")):
        if event == "pi":
            raise ValueError(f"<?{element.text[:40]}?> in a drawing")
    root = element  # the last one to end
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError("neither a picture nor <svg xmlns='http://www.w3.org/2000/svg'>")
    for element in root.iter():
        space, _, name = element.tag.rpartition("}")
        drawn = space == "{http://www.w3.org/2000/svg"
        fetching = name == "style" and _FETCHING.search("".join(element.itertext()))
        if (drawn and name not in _DRAWING) or space.endswith("xhtml") or fetching:
            raise ValueError(f"<{name}> in a drawing")
        for attribute, value in element.attrib.items():
            linked = attribute.rpartition("}")[2] == "href" and not value.startswith(("#", "data:image/"))
            if attribute.startswith("on") or (linked and drawn) or _FETCHING.search(value):
                raise ValueError(f"<{name} {attribute}={value[:40]!r}> in a drawing")


def _sized(given: dict[str, str], size: tuple[int, int] | None) -> dict[str, str]:
    """Return the attributes with width and height as the author meant them, so that the page does not jump on loading."""
    if size is None or "style" in given:
        return given
    width, height = (re.fullmatch(r"(\d+)(\.\d*)?(px)?", given.get(side, "").strip()) for side in ("width", "height"))
    sides = {side: match[1] for side, match in (("width", width), ("height", height)) if match}
    if width and height:
        return given | sides | {"style": f"aspect-ratio: {width[1]} / {height[1]}"}
    if width and "height" not in given:
        sides["height"] = str(round(int(width[1]) * size[1] / size[0]))
    elif height and "width" not in given:
        sides["width"] = str(round(int(height[1]) * size[0] / size[1]))
    elif "width" not in given and "height" not in given:
        sides = {"width": str(size[0]), "height": str(size[1])}
    return given | sides


def _still(data: bytes, alt: str, page: Page, site: Site) -> bytes:
    """Return a PNG of an animation standing still: the poster that `save_animation` put beside it, else the first frame."""
    for figure in (page.results or {}).get("figures", []):
        file = site.figure(page.name, figure["file"])
        poster = site.figure(page.name, f"{Path(figure['file']).stem}.png")
        same = figure["alt"] == alt or (file is not None and file.read_bytes() == data)
        if figure["file"].endswith(".gif") and same and poster:
            return poster.read_bytes()
    frame = io.BytesIO()
    with Image.open(io.BytesIO(data)) as animation:
        animation.convert("RGB").save(frame, "PNG")
    return frame.getvalue()
