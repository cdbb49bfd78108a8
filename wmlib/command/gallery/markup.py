"""HTML from notebooks: what of it may stand on a page, and where its pictures and links lead there.

Reading guide: `admit` is the door for the HTML of every cell and output. `_name_faults` says what is not on the lists below;
nh3 reads the HTML as a browser does and lets nothing else through, whether it was named or not. Then pictures become files of
the gallery, links between notebooks lead to their pages, and other linked files come along.
"""

from collections import Counter
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import nh3
from bs4 import BeautifulSoup, Tag

from wmlib.command.gallery.markdown import set_formulas
from wmlib.command.gallery.page import Page, Site, decode_base64, show_picture

_MATH = set(
    "math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder "
    "munderover".split()
)
_MEDIA = {"audio", "source", "track", "video"}
_TAGS = (nh3.ALLOWED_TAGS - {"area", "map"}) | _MATH | _MEDIA | {"address", "big", "font", "main", "section", "tfoot"}
# none of these attributes and properties makes a browser fetch or run anything, wherever it stands
_PLAIN = set(
    "accent align alt bgcolor border cellpadding cellspacing cite class color colspan columnalign columnspacing controls "
    "datetime dir display displaystyle download face fence form frame headers height hidden hreflang hspace id kind label "
    "lang largeop linethickness loading loop lspace mathcolor mathvariant maxsize minsize movablelimits muted name nowrap "
    "open preload rel reversed role rowspacing rowspan rspace rules scope scriptlevel separator size span srclang start "
    "stretchy style summary symmetric tabindex target title type valign value voffset vspace width xmlns".split()
)
_ATTRIBUTES = {"*": _PLAIN, "a": {"href"}, "img": {"src"}} | {tag: {"src", "poster"} for tag in _MEDIA}
_PREFIXES = {"aria-", "data-"}
_SCHEMES = {"attachment", "data", "http", "https", "mailto"}
_SIDES = ("", "-top", "-right", "-bottom", "-left")
_PROPERTIES = {f"{box}{side}" for box in ("border", "margin", "padding") for side in _SIDES} | set(
    "align-items aspect-ratio background-color border-collapse border-color border-radius border-spacing border-style "
    "border-width caption-side clear color column-count column-gap columns display flex flex-direction flex-wrap float font "
    "font-family font-size font-style font-variant font-weight gap grid-template-columns height justify-content letter-spacing "
    "line-height list-style-type max-height max-width min-height min-width object-fit opacity overflow overflow-wrap "
    "overflow-x overflow-y table-layout text-align text-decoration text-indent text-transform vertical-align white-space width "
    "word-break word-wrap".split()
)


def admit(html: str, page: Page, site: Site, attachments: dict[str, Any] | None = None) -> str:
    """Return the HTML of one cell or output as it may stand on the page, well-formed in itself.

    Args:
        html: from Markdown, with its formulas set, or from an output.
        page: takes the problems, and the headings that links point to.
        site: takes the pictures and files.
        attachments: of the Markdown cell; None for the HTML of an output. Outputs may bring style sheets, which are left
            out without a word (IPython and pandas write them and the page has its own), and formulas in their text.
    """
    output = attachments is None
    soup = BeautifulSoup(html, "html.parser")
    _name_faults(soup, page, ignored={"style"} if output else set())
    addresses = _addresses(soup)
    html = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        generic_attribute_prefixes=_PREFIXES,
        url_schemes=_SCHEMES,
        filter_style_properties=_PROPERTIES,
        link_rel=None,
    )
    soup = BeautifulSoup(set_formulas(html, page) if output else html, "html.parser")
    for address in addresses - _addresses(soup):
        page.problem(f"{address[:80]} is neither an address with https:, http: or mailto: nor a file of the project")
    for link in soup.find_all("a", href=True):
        _point_link(link, page, site)
    for media in soup.find_all(_MEDIA):
        _place_media(media, page, site)
    for img in soup.find_all("img"):
        _place_picture(img, page, site, attachments or {})
    return str(soup)


def _get(tag: Tag, name: str) -> str:
    """Return an attribute as text; "" if there is none."""
    value = tag.get(name)
    return (" ".join(value) if isinstance(value, list) else value or "").strip()


def _addresses(soup: BeautifulSoup) -> Counter[str]:
    """Return what links and pictures refer to."""
    return Counter(
        _get(tag, name) for tag in soup.find_all(_TAGS) for name in _ATTRIBUTES.get(tag.name, ()) if tag.has_attr(name)
    )


def _name_faults(soup: BeautifulSoup, page: Page, ignored: set[str]) -> None:
    """Note the tags, attributes and style properties that are not on the lists."""
    for tag in soup.find_all(lambda tag: tag.name not in ignored):
        if tag.name not in _TAGS:
            page.problem(f"<{tag.name}> cannot be shown offline; show text, a table or a static picture instead")
            continue
        for name in tag.attrs:
            if name.startswith("on"):
                page.problem(f"<{tag.name} {name}> needs JavaScript, which these pages do without")
            elif name not in _PLAIN | _ATTRIBUTES.get(tag.name, set()) and not name.startswith(tuple(_PREFIXES)):
                page.problem(f"<{tag.name} {name}> cannot be shown offline; leave out the attribute {name}")
        for declaration in _get(tag, "style").split(";"):
            name = declaration.partition(":")[0].strip().lower()
            if name and name not in _PROPERTIES:
                shorter = "; write background-color" if name == "background" else ""
                page.problem(f"the style of a <{tag.name}> has {name[:40]}, which the gallery does without{shorter}")


def _place_picture(img: Tag, page: Page, site: Site, attachments: dict[str, Any]) -> None:
    """Bring the picture of one `<img>` into the gallery, at the size it has in the notebook."""
    address = _get(img, "src")
    if not _get(img, "alt"):
        page.problem(f"the picture {address[:60]} has no alt text")
        return
    given = {name: _get(img, name) for name in img.attrs if name not in ("alt", "loading", "src")}
    try:
        html = show_picture(_picture_data(address, site, attachments), _get(img, "alt"), page, site, given)
    except ValueError as error:
        page.problem(f"the picture {address[:80]} {error}")
    else:
        img.replace_with(BeautifulSoup(html, "html.parser"))


def _picture_data(address: str, site: Site, attachments: dict[str, Any]) -> bytes:
    """Return the bytes of a picture.

    Raises:
        ValueError: it is no file of the project, or not attached to its cell.
    """
    scheme, _, rest = address.partition(":")
    if scheme == "attachment":
        forms = attachments.get(rest) or attachments.get(unquote(rest))
        if not forms:
            raise ValueError("is not attached to its cell")
        return decode_base64(next(iter(forms.values())))
    if scheme == "data":
        kind, _, content = rest.partition(",")
        return decode_base64(unquote(content)) if kind.endswith(";base64") else unquote_to_bytes(content)
    return site.find(address)[0].read_bytes()


def _place_media(media: Tag, page: Page, site: Site) -> None:
    """Bring the files of one `<video>`, `<audio>` or part of it into the gallery."""
    for name in ("src", "poster"):
        address = _get(media, name)
        if address and not address.startswith(("data:audio/", "data:image/", "data:video/")):
            try:
                file, place = site.find(address)
            except ValueError as error:
                page.problem(f"the file {address[:80]} {error}")
            else:
                media[name] = site.add(f"files/{place}", file.read_bytes())


def _point_link(link: Tag, page: Page, site: Site) -> None:
    """Point a link to another notebook at its page, and one to another file of the project at a copy of it."""
    address = _get(link, "href")
    path, hash, fragment = address.partition("#")
    if address.lower().startswith(("http:", "https:", "mailto:")):
        return
    if not path:
        page.crossings.append((page.name, unquote(fragment)))
        return
    try:
        file, place = site.find(path)
    except ValueError as error:
        page.problem(f"the link to {address[:80]} {error}")
        return
    if place.suffix != ".ipynb":
        link["href"] = site.add(f"files/{place}", file.read_bytes()) + hash + fragment
    elif place.stem in site.names and place.parent.name == "notebooks":
        link["href"] = f"{place.stem}.html{hash}{fragment}"
        if fragment:
            page.crossings.append((place.stem, unquote(fragment)))
    else:
        link.replace_with(*list(link.contents), " (not in this gallery)")
