"""The second reading of a page: headings, links, pictures, tables, and nothing from the network.

Reading guide: `review` is the door; each function below takes the parsed page, changes it in place and notes in
`Page.problems` what it cannot set right. Cells may hold any HTML, so this reads the result and not the sources.
"""

import base64
import os
import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from wmlib.command.gallery.page import Page, Site, show_picture

_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_FETCHING_TAGS = ["script", "iframe", "frame", "object", "embed", "link", "base", "applet"]
_FETCHING_ATTRIBUTES = ["src", "srcset", "poster", "background", "data", "xlink:href"]
_FETCHING_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!data:|#)", re.IGNORECASE)
_NBCONVERT_ALT = "No description has been provided for this image"
_RAW_FORMULA = re.compile(r"\\[A-Za-z]{2,}|\$[^$]*[\\_^][^$]*\$")


def _get(tag: Tag, name: str) -> str:
    """Return an attribute as text; "" if there is none."""
    value = tag.get(name)
    return " ".join(value) if isinstance(value, list) else value or ""


def review(html: str, page: Page, site: Site) -> None:
    """Set `title`, `heading`, `contents`, `ids` and `body` of a page from the HTML of its cells.

    Args:
        html: the cells, as exported.
        page: the page to fill.
        site: the gallery it belongs to; linked files are copied there.
    """
    soup = BeautifulSoup(html, "html.parser")
    _refuse_fetching(soup, page)
    _number_headings(soup, page)
    _place_pictures(soup, page, site)
    _point_links(soup, page, site)
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table"}))
    for section in soup.find_all("section", class_="text"):
        if not section.find(True):
            section.decompose()  # it held the title only
    for failed in soup.find_all(id="failed")[1:]:
        del failed["id"]
    for text in soup.find_all(string=_RAW_FORMULA):
        if not text.find_parent(["pre", "code", "math", "style"]):
            page.problem(f"a formula was left as text (HTML needs an empty line before Markdown): {text.strip()[:80]}")
    page.body = str(soup)


def _refuse_fetching(soup: BeautifulSoup, page: Page) -> None:
    """Note whatever would make a browser load or run something."""
    for tag in soup.find_all(True):
        if tag.name in _FETCHING_TAGS:
            page.problem(f"<{tag.name}> cannot be shown offline; show a static picture instead")
        for name, value in tag.attrs.items():
            value = " ".join(value) if isinstance(value, list) else value
            if name.startswith("on") or value.strip().lower().startswith("javascript:"):
                page.problem(f"<{tag.name} {name}> needs JavaScript, which these pages do without")
            if name in _FETCHING_ATTRIBUTES and re.search(r"(?:^|[\s,])(?:https?:)?//", value):
                page.problem(f"<{tag.name} {name}> loads {value[:80]} from the network; keep a copy beside the notebook")
            if name == "style" and _FETCHING_STYLE.search(value):
                page.problem(f"the style of a <{tag.name}> loads a file: {value[:80]}")
        if tag.name == "style" and _FETCHING_STYLE.search(tag.text):
            page.problem("a <style> element loads a file")


def _number_headings(soup: BeautifulSoup, page: Page) -> None:
    """Give headings the ids that JupyterLab gives them, take the title out, and fill the table of contents."""
    level = 0
    for heading in soup.find_all(_HEADINGS):
        text = " ".join(heading.get_text().split())
        before = level
        level = int(heading.name[1])
        if level > before + 1:
            page.problem(f"heading {text!r} is of level {level}, right after level {before}: no level may be left out")
        if level == 1:
            if page.title:
                page.problem(f"a second title {text!r}; use ## below the first")
            page.title = text
            page.heading = heading.decode_contents()
            heading.decompose()
            continue
        id = _free_id(text.replace(" ", "-"), page.ids)
        heading["id"] = id
        page.ids.add(id)
        if level <= 3 and not heading.find_parent(class_="outputs"):
            page.contents.append((level, quote(id, safe=""), heading.decode_contents()))
    if not page.title:
        page.problem("there is no title: the first cell begins with '# '")
        page.title = page.heading = page.name
    page.ids |= {_get(tag, "id") for tag in soup.find_all(id=True)}


def _free_id(wanted: str, taken: set[str]) -> str:
    """Return an id, with a number behind it if it is taken."""
    number = 1
    free = wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free


def _place_pictures(soup: BeautifulSoup, page: Page, site: Site) -> None:
    """Bring pictures of Markdown and HTML cells into the gallery."""
    for img in soup.find_all("img"):
        address = _get(img, "src")
        alt = _get(img, "alt").strip()
        if address.startswith("pictures/"):
            continue
        if alt in ("", _NBCONVERT_ALT):
            page.problem(f"the picture {address[:60]} has no alt text")
            continue
        inline = re.match(r"data:image/(png|gif|jpeg|svg\+xml);base64,", address)
        if inline:
            suffix = "." + {"jpeg": "jpg", "svg+xml": "svg"}.get(inline[1], inline[1])
            data = base64.b64decode(address[inline.end() :])
        elif address.startswith("data:") or "//" in address:
            continue
        else:
            path = site.find(unquote(address))
            if path is None:
                page.problem(f"the picture {address} does not exist (relative paths start in notebooks/)")
                continue
            suffix = path.suffix
            data = path.read_bytes()
        width = int(_get(img, "width")) if _get(img, "width").isdecimal() else 0
        img.replace_with(BeautifulSoup(show_picture(data, suffix, alt, page, site, width), "html.parser"))
    for media in soup.find_all(["video", "audio", "source", "track"], src=True):
        if not _get(media, "src").startswith(("data:", "http:", "https:", "//")):
            media["src"] = _copied(_get(media, "src"), page, site)


def _point_links(soup: BeautifulSoup, page: Page, site: Site) -> None:
    """Point links between notebooks at their pages; copy other linked files into the gallery."""
    for link in soup.find_all("a", href=True):
        url = urlsplit(_get(link, "href"))
        if url.scheme or url.netloc or _get(link, "class") == "motion":
            continue
        if not url.path:
            if unquote(url.fragment) not in page.ids:
                page.problem(f"the link to #{unquote(url.fragment)} has no such heading on this page")
            continue
        path = PurePosixPath(unquote(url.path))
        if path.suffix != ".ipynb":
            link["href"] = _copied(_get(link, "href"), page, site)
        elif path.stem in site.names:
            link["href"] = f"{path.stem}.html" + (f"#{url.fragment}" if url.fragment else "")
            if url.fragment:
                page.crossings.append((path.stem, unquote(url.fragment)))
        elif site.find(unquote(url.path)):
            link.replace_with(*_unlinked(link))
        else:
            page.problem(f"the link to {url.path} names a notebook that does not exist")


def _unlinked(link: Tag) -> list:
    """Return what stands in place of a link to a notebook that was not run this time."""
    return [*list(link.contents), " (not in this gallery)"]


def _copied(address: str, page: Page, site: Site) -> str:
    """Copy a file of the project into the gallery; return its address there."""
    url = urlsplit(address)
    path = site.find(unquote(url.path))
    inside = os.path.relpath(os.path.normpath(site.project / "notebooks" / unquote(url.path)), site.project)
    if path is None or inside.startswith(".."):
        page.problem(f"the link to {address} names no file of the project (relative paths start in notebooks/)")
        return address
    return quote(site.add(f"files/{inside}", path.read_bytes())) + (f"#{url.fragment}" if url.fragment else "")
