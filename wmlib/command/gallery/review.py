"""The second reading of a page: its title, the ids of its headings, its table of contents, and tables that can be scrolled."""

from collections import Counter
from urllib.parse import quote

from bs4 import BeautifulSoup

from wmlib.command.gallery.page import Page

_OURS = {"content", "contents"}  # ids of the page around the cells
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]


def review(html: str, page: Page) -> None:
    """Set `title`, `heading`, `contents`, `ids` and `body` of a page from the HTML of its cells.

    Args:
        html: the cells, as exported.
        page: the page to fill.
    """
    soup = BeautifulSoup(html, "html.parser")
    _number_headings(soup, page)
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table"}))
    for section in soup.find_all("section", class_="text"):
        if not section.find(True):
            section.decompose()  # it held the title only
    for failed in soup.find_all(id="failed")[1:]:
        del failed["id"]
    page.body = str(soup)


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
        id = _free_id(text.replace(" ", "-"), page.ids | _OURS)
        heading["id"] = id
        page.ids.add(id)
        if level <= 3 and not heading.find_parent(class_="outputs"):
            page.contents.append((level, quote(id, safe=""), heading.decode_contents()))
    if not page.title:
        page.problem("there is no title: the first cell begins with '# '")
        page.title = page.heading = page.name
    ids = Counter(str(tag["id"]) for tag in soup.find_all(id=True))
    for id in [id for id, count in ids.items() if id in _OURS or (count > 1 and id != "failed")]:
        page.problem(f"the id {id} is there twice; give one of them another name")
    page.ids |= ids.keys()


def _free_id(wanted: str, taken: set[str]) -> str:
    """Return an id, with a number behind it if it is taken."""
    number = 1
    free = wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free
