"""The gallery and what authors, libraries and bad disks put into notebooks: shown as meant, or refused by name."""

import base64
import html
import io
import json
import os
import random

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from wmlib.command.gallery import build_gallery

pytestmark = pytest.mark.slow


@pytest.fixture
def book(project):
    """A project with one notebook: `book.page(cells)` is its page in the gallery, `book.build(cells)` may raise."""
    return Book(project.path)


class Book:
    def __init__(self, root):
        self.root = root
        self.executed = root / "executed/01_good.ipynb"
        (root / "figures/01_good").mkdir(parents=True)
        self.executed.parent.mkdir()

    def build(self, *cells):
        cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        notebook = new_notebook(cells=[new_markdown_cell("# A title\n\n## A"), *cells])
        for folder in ("executed", "notebooks"):
            nbformat.write(notebook, self.root / folder / "01_good.ipynb")
        return self.build_again()

    def build_again(self):
        return build_gallery(self.root / "executed", self.root / "figures", self.root / "gallery")

    def page(self, *cells):
        self.build(*cells)
        page = BeautifulSoup((self.root / "gallery/01_good.html").read_text(encoding="utf-8"), "html.parser").main
        page.h1.decompose()
        return page


def shows(*, given=None, **forms):
    """A code cell with one output of these forms (`html`, `png`, ...); a picture has the alt text A plot and what is given."""
    kinds = {"html": "text/html", "markdown": "text/markdown", "latex": "text/latex", "svg": "image/svg+xml"}
    data = {kinds.get(name, f"image/{name}"): value for name, value in forms.items()}
    metadata = {kind: {"alt": "A plot"} | (given or {}) for kind in data if kind.startswith("image/")}
    return new_code_cell("run", execution_count=1, outputs=[new_output("display_data", data=data, metadata=metadata)])


def picture(kind="PNG", frames=1):
    """The bytes of a picture of noise, 47 by 31."""
    generator = random.Random(1)
    noise = [Image.frombytes("RGB", (47, 31), generator.randbytes(47 * 31 * 3)) for _ in range(frames)]
    file = io.BytesIO()
    noise[0].save(file, kind, **({"save_all": True, "append_images": noise[1:]} if frames > 1 else {}))
    return file.getvalue()


def coded(data):
    return base64.b64encode(data).decode()


def cells_with(text, code):
    """HTML as a Markdown cell, as part of one, or as an output."""
    return {"cell": text, "line": f"So {text} it is.", "output": shows(html=text), "markdown": shows(markdown=text)}[code]


# --- correct text

TEXTS = {
    r"D:\data\new_run\beta.csv and \\server\share_1": 0,
    r"Escape with \n, \t_1, \x1b[0m and \u00e9.": 0,
    r"In LaTeX \alpha_1 is written \frac{a}{b}, a row ends with \\.": 0,
    r"It costs \$5_000, \$x^2 and \$y_1.": 0,
    "Between $3 and $4_000, or 3 $ to 4 $.": 0,
    "A $20/h machine, $0.5^2 off, US$7.": 0,
    "Prices: $1, $2 and $x$ for the rest.": 1,
    "Run $RUN_ALL then $(make all_1) or ${X_Y}/$Z.": 0,
    "Cost in $ per step: $c_t$.": 1,
    "100 % & more_than_one #5 ^_^ ~": 0,
    "Regex ^a_b$ or ^c_d$ end.": 0,
    "$a_1$-th, $a_2$s and ($a_3$), **$a_4$**.": 4,
    "$p(x|z) < 1$, $x<y$ & $y>z$": 3,
    "a_b_c and $a_b$ and d*e*f": 1,
    "$\\{a, b\\}$ and $\\text{cost \\$5}$": 2,
}


@pytest.mark.kind("correct text")
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("form", ["cell", "quote", "list", "output", "html"])
def test_correct_text_is_shown(drill, book, text, form):
    forms = {"cell": text, "quote": f"> {text}", "list": f"- {text}\n- b", "output": shows(markdown=text)}
    page = book.page(forms.get(form) or shows(html=f"<p>{html.escape(text)}</p>"))
    drill.good(len(page.find_all("math")) == TEXTS[text], f"{form}: {page}")


# --- tables

TABLES = {
    "no bars at the borders": "a | b\n--|--\n1 | 2",
    "a leading bar only": "| a | b\n|---|---\n| 1 | 2",
    "colons": "a | b\n:-:|--:\n1 | 2",
    "a bar in a formula": "| a | b |\n|---|---|\n| $p(x|z)$ | $|x|$ |",
    "bars in two kinds of formula": "| a | b |\n|---|---|\n| $\\|x\\|$ | $$\\left|x\\right|$$ |",
    "a bar in a formula of the heading": "| $p(x|z)$ | b |\n|---|---|\n| 1 | 2 |",
    "a bar in code": "| a | b |\n|---|---|\n| `x\\|y` | 2 |",
    "money": "| a | b |\n|---|---|\n| $5 | $6 |",
    "after text": "See:\n| a | b |\n|---|---|\n| 1 | 2 |",
    "after a heading": "### See\n| a | b |\n|---|---|\n| 1 | 2 |",
    "in a list": "- x\n\n  a | b\n  --|--\n  $p(x|z)$ | 2\n- y",
    "in a numbered list, at once": "1. x\n   | a | b |\n   |---|---|\n   | 1 | 2 |",
    "in a list of a list": "- x\n  - y\n\n    a | b\n    --|--\n    $|x|$ | 2",
    "as an item": "- | a | b |\n  |---|---|\n  | 1 | 2 |",
    "in a quote": "> a | b\n> --|--\n> $p(x|z)$ | 2",
    "in a quote of a quote": "> > | a | b |\n> > |---|---|\n> > | $|x|$ | 2 |",
    "in details": "<details>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n</details>",
    "indented": "   | a | b |\n   |---|---|\n   | 1 | 2 |",
    "lines of Windows": "| a | b |\r\n|---|---|\r\n| 1 | 2 |",
    "blanks behind": "| a | b |  \n|---|---|\t\n| 1 | 2 |  ",
    "an empty cell": "| a | b |\n|---|---|\n| | 2 |",
    "a row cut short": "| a | b |\n|---|---|\n| 1 |",
}


@pytest.mark.kind("tables")
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("form", ["cell", "output"])
def test_a_table_is_a_table(drill, book, name, form):
    page = book.page(TABLES[name] if form == "cell" else shows(markdown=TABLES[name]))
    rows = [len(row.find_all(["th", "td"])) for row in page.find_all("tr")]
    formulas = 2 * ("two kinds" in name) or len(TABLES[name].split("$")) // 2 * ("$5" not in TABLES[name])
    drill.good(rows == [2, 2] and len(page.find_all("math")) == formulas, f"{name}: {page}")


@pytest.mark.kind("tables")
@pytest.mark.parametrize(
    "source",
    [
        "| a | b |\n|---|---|\n| 1 | 2 | 3 |",
        "| a | b |\n|---|---|\n| `x|y` | 2 |",
        "| a | b | c |\n|---|---|\n| 1 | 2 | 3 |",
        "a | b\n--|--|--\n1 | 2",
        "> - | a | b |\n>   |---|---|\n>   | 1 | 2 | 3 |",
        "| a | b |\n|---+---|\n| 1 | 2 |",
        "| a | b |\n|===|===|\n| 1 | 2 |",
        "| a | b |\n| 1 | 2 |",
    ],
)
def test_what_would_be_lost_of_a_table_is_named(drill, book, source):
    drill.refused(lambda: book.build(source), "01_good: a table", "|")


# --- pictures

SIZES = {
    "": ("47", "31", None),
    'width="94"': ("94", "62", None),
    "height=62": ("94", "62", None),
    'width="20px"': ("20", "13", None),
    'width="60%"': ("60%", None, None),
    'width="50" height="50"': ("50", "50", "aspect-ratio: 50 / 50"),
    'style="width: 12em"': (None, None, "width:12em"),
    'style="max-width: 50%; height: auto" align="right"': (None, None, "max-width:50%;height:auto"),
}


@pytest.mark.kind("sizes of pictures")
@pytest.mark.parametrize("given", SIZES)
@pytest.mark.parametrize("form", ["cell", "line", "output", "markdown"])
def test_a_picture_has_its_size(drill, book, given, form):
    (book.root / "notebooks/a plot.png").write_bytes(picture())
    img = book.page(cells_with(f'<img src="a%20plot.png" alt="A plot" {given}>', form)).img
    found = tuple(img.get(name) for name in ("width", "height", "style"))
    drill.good(found == SIZES[given] and ("align" not in given or img["align"] == "right"), f"{form}: {img}")


@pytest.mark.kind("sizes of pictures")
@pytest.mark.parametrize("given", [{"width": 94}, {"height": 62}, {"width": 94.0}, {"width": "94"}, {"width": "94px"}])
@pytest.mark.parametrize("kind", ["png", "jpeg", "gif"])
def test_an_output_has_its_size(drill, book, given, kind):
    img = book.page(shows(given=given, **{kind: coded(picture(kind, frames=2 if kind == "gif" else 1))})).img
    drill.good((img["width"], img["height"]) == ("94", "62"), f"{given}: {img}")


def damaged():
    """Pictures that are not whole."""
    for kind, frames in (("PNG", 1), ("JPEG", 1), ("GIF", 1), ("GIF", 3), ("WEBP", 1), ("WEBP", 3)):
        data = picture(kind, frames)
        for end in (0, 3, 20, 60, len(data) // 2, len(data) - 9, len(data) - 1):
            yield f"{kind} of {frames}, {end} bytes", data[:end]
    data = picture()
    yield "PNG, zeros in it", data[:2000] + bytes(900) + data[2900:]
    yield "PNG, a bit flipped", data[:200] + bytes([data[200] ^ 1]) + data[201:]
    yield "a pointer to a file elsewhere", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    yield "a page", b"<!DOCTYPE html><html><body>Not found</body></html>"
    yield "a drawing, cut", b'<svg xmlns="http://www.w3.org/2000/svg"><g><path d="M0'
    yield "zeros", bytes(4096)


DAMAGED = dict(damaged())


@pytest.mark.kind("damaged pictures")
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_picture_is_refused(drill, book, name):
    kind = name.split(" ")[0].strip(",").lower()
    path = f"plot.{kind if kind in ('png', 'jpeg', 'gif', 'webp') else 'png'}"
    (book.root / "notebooks" / path).write_bytes(DAMAGED[name])
    drill.refused(lambda: book.build(f"![A plot]({path})"), f"01_good: the picture {path} is damaged")
    if DAMAGED[name] and kind in ("png", "jpeg", "gif"):
        drill.refused(lambda: book.build(shows(**{kind: coded(DAMAGED[name])})), f"an image/{kind} output is damaged", "A plot")


# --- live HTML

LIVE = [
    "<script>alert(1)</script>",
    "<script src=//example.org/a.js></script>",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1) alt=a>",
    "<img/src='x'/onerror=alert(1) alt=a>",
    "<svg onload=alert(1)></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><use href='https://example.org/a.svg#b'/></svg>",
    "<math><a xlink:href='javascript:alert(1)'>a</a></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<div>a<!--><img src=x onerror=alert(1)>--></div>",
    "<iframe src='https://example.org'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data='a.swf'></object>",
    "<embed src='a.swf'>",
    "<link rel=stylesheet href=https://example.org/a.css>",
    "<base href=https://example.org/>",
    "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "<form action=https://example.org><button>go</button></form>",
    "<input type=image src=https://example.org/a.png>",
    "<body onload=alert(1)>",
    "<details ontoggle=alert(1) open>a</details>",
    "<marquee onstart=alert(1)>a</marquee>",
    "<a href='javascript:alert(1)'>a</a>",
    "<a href=' &#1; JaVaScRiPt:alert(1)'>a</a>",
    "<a href='java&#10;script:alert(1)'>a</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>a</a>",
    "<a href='vbscript:a'>a</a>",
    "<a ping=https://example.org href=#A>a</a>",
    "<style>@import 'https://example.org/a.css';</style>",
    "<p style='background: url(https://example.org/a.png)'>a</p>",
    "<p style='background-image: \\75 rl(https://example.org/a.png)'>a</p>",
    "<p style='list-style: url(https://example.org/a.png)'>a</p>",
    "<p style='position: fixed; top: 0'>a</p>",
    "<table background=https://example.org/a.png><tr><td>a</td></tr></table>",
    "<img srcset='https://example.org/a.png 2x' alt=a>",
    "<img src=https://example.org/a.png alt=a>",
    "<img src=//example.org/a.png alt=a>",
    "<video src=https://example.org/a.mp4></video>",
    "<audio><source src=//example.org/a.ogg></audio>",
    "<video poster=https://example.org/a.png></video>",
    "<image href=https://example.org/a.png />",
    "<portal src=https://example.org></portal>",
    "<template><script>alert(1)</script></template>",
    "</main></body><script>alert(1)</script>",
    "<custom-element onclick=alert(1)>a</custom-element>",
]
HARMLESS = {
    "href",
    "src",
    "alt",
    "width",
    "height",
    "loading",
    "class",
    "id",
    "title",
    "tabindex",
    "role",
    "aria-label",
    "style",
}


def live(page):
    """What of a page would run or fetch something."""
    found = [tag.name for tag in page.find_all(["script", "style", "iframe", "svg", "form", "input", "meta", "link", "img"])]
    for tag in page.find_all(True):
        for name, value in tag.attrs.items():
            text = "".join(str(value).split()).lower()
            fetches = "example.org" in text or "script:" in text or "url(" in text
            found += [(tag.name, name)] if name.startswith("on") or fetches or name not in HARMLESS | {"open"} else []
    return found


@pytest.mark.kind("live HTML")
@pytest.mark.parametrize("source", LIVE)
@pytest.mark.parametrize("form", ["cell", "line", "output", "markdown"])
def test_nothing_on_a_page_runs_or_fetches(drill, book, source, form):
    cell = cells_with(source, form)
    try:
        page = book.page(cell)
    except ValueError:
        drill.refused(lambda: book.build(cell), "01_good: ")
    else:
        drill.good(not live(page), f"{live(page)} in {page}")


@pytest.mark.kind("live HTML")
@pytest.mark.parametrize("place", ["title", "heading", "alt", "code", "plain", "stream", "error", "fence", "link", "formula"])
def test_html_in_text_is_text(drill, book, place):
    live_text = "<img src=x onerror=alert(1)>"
    output = {
        "plain": new_output("execute_result", data={"text/plain": live_text}),
        "stream": new_output("stream", text=f"\x1b[31m{live_text}\x1b[0m"),
        "error": new_output("error", ename=live_text, evalue=live_text, traceback=[f"\x1b[31m{live_text}"]),
    }.get(place)
    cells = {
        "title": f"`{live_text}`",
        "heading": f"## `{live_text}`",
        "alt": shows(png=coded(picture()), given={"alt": live_text}),
        "code": new_code_cell(live_text),
        "fence": f"```html\n{live_text}\n```",
        "link": f"[a](#A '{live_text}')",
        "formula": f"$\\text{{{live_text}}}$",
    }
    book.build(cells.get(place) or new_code_cell("run", execution_count=1, outputs=[output]))
    pages = [BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser") for file in (book.root / "gallery").glob("*.html")]
    found = [tag for page in pages for tag in page.find_all(onerror=True)]
    drill.good(not found and any("onerror" in str(page) for page in pages), f"{place}: {found}")


DRAWINGS = [
    "<script>alert(1)</script>",
    "<g onclick='alert(1)'/>",
    "<foreignObject><b xmlns='http://www.w3.org/1999/xhtml'>a</b></foreignObject>",
    "<a href='javascript:alert(1)'><path/></a>",
    "<image href='https://example.org/a.png'/>",
    "<use xlink:href='https://example.org/a.svg#b'/>",
    "<style>@import 'https://example.org/a.css';</style>",
    "<path style='fill: url(https://example.org/a.svg#b)'/>",
    "<path fill='url(//example.org/a.svg#b)'/>",
    "<animate attributeName='href' to='javascript:alert(1)'/>",
    "<set attributeName='onclick' to='alert(1)'/>",
    "<x:script xmlns:x='http://www.w3.org/2000/svg'>alert(1)</x:script>",
]


@pytest.mark.kind("live HTML")
@pytest.mark.parametrize("inside", DRAWINGS)
def test_nothing_in_a_drawing_runs_or_fetches(drill, book, inside):
    names = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"
    drawing = f"<svg {names}>{inside}</svg>"
    (book.root / "notebooks/a.svg").write_text(drawing)
    drill.refused(lambda: book.build("![A plot](a.svg)"), "the picture a.svg is damaged", "in a drawing")
    drill.refused(lambda: book.build(shows(svg=drawing)), "output is damaged", "in a drawing")


@pytest.mark.kind("live HTML")
@pytest.mark.parametrize(
    "head",
    [
        "<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>",
        "<!DOCTYPE svg [<!ENTITY a '<script/>'>]>",
        "<!DOCTYPE svg [<!ENTITY a 'b'><!ATTLIST svg onload CDATA 'alert(1)'>]>",
        "<?xml-stylesheet href='https://example.org/a.css'?>",
    ],
)
def test_a_drawing_brings_nothing_in(drill, book, head):
    drawing = f"{head}<svg xmlns='http://www.w3.org/2000/svg'><text>{'&a;' if 'ENTITY' in head else 'a'}</text></svg>"
    drill.refused(lambda: book.build(shows(svg=drawing)), "output is damaged")


# --- paths

OUTSIDE = [
    "../../outside.png",
    "../notebooks/../../outside.png",
    "..%2F..%2Foutside.png",
    "%2e%2e/%2e%2e/outside.png",
    "..%5C..%5Coutside.png",
    "/etc/hostname",
    "//etc/hostname",
    "file:///etc/hostname",
    "~/outside.png",
    "link.png",
    "linked/outside.png",
    "../figures/link/outside.png",
    "../.git/config",
    "config",
    "../figures/01_good/../../../outside.png",
    "../figures/../../outside.png",
    "loop.png",
    "pipe.png",
    "a%00b.png",
    "%ff.png",
    ".",
    "x" * 3000,
]


@pytest.mark.kind("paths outside")
@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("form", ["![A plot]({})", '<img alt="A plot" src="{}">', "[a]({})"])
def test_no_path_leads_out_of_the_project(drill, book, path, form):
    (book.root.parent / "outside.png").write_bytes(picture())
    (book.root / ".git").mkdir()
    (book.root / ".git/config").write_bytes(picture())
    notebooks = book.root / "notebooks"
    for name, target in (("link.png", "../../outside.png"), ("linked", "../.."), ("config", "../.git/config")):
        (notebooks / name).symlink_to(target)
    (book.root / "figures/link").symlink_to("../..")
    (notebooks / "loop.png").symlink_to("loop.png")
    os.mkfifo(notebooks / "pipe.png")
    drill.refused(lambda: book.build(form.format(path)), "01_good: ", "file of the project", path[:20])


# --- notebooks that something else wrote

GOOD = json.dumps(nbformat.from_dict(new_notebook(cells=[new_markdown_cell("# A")])))
BROKEN = {
    "nothing": "",
    "a cut": GOOD[: len(GOOD) // 2],
    "a list": "[]",
    "null": "null",
    "a number": "5",
    "no cells": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "cells of another kind": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}',
    "a version of the future": GOOD.replace('"nbformat": 4', '"nbformat": 9'),
    "a version that is no number": GOOD.replace('"nbformat": 4', '"nbformat": "x"'),
    "a source that is a number": GOOD.replace('"# A"', "5"),
    "bytes": b"\xff\xfe\0\x89PNG",
    "deep": "[" * 100_000,
    "conflicts of git": f"<<<<<<< HEAD\n{GOOD}\n=======\n{GOOD}\n>>>>>>> b\n",
}


@pytest.mark.kind("notebooks that something else wrote")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_notebook_is_named(drill, book, name):
    content = BROKEN[name]
    book.executed.write_bytes(content if isinstance(content, bytes) else content.encode())
    drill.refused(book.build_again, "01_good.ipynb is not a notebook", "run it again")


@pytest.mark.kind("notebooks that something else wrote")
def test_half_a_character_is_named(drill, book):
    book.executed.write_text(GOOD.replace("# A", r"# A \ud83d"))
    drill.refused(book.build_again, "01_good.ipynb", "surrogates", "run it again")


@pytest.mark.kind("notebooks that something else wrote")
def test_a_folder_is_no_notebook(drill, book):
    book.executed.mkdir()
    drill.refused(book.build_again, "01_good.ipynb", "is not a notebook")


ODD = {
    "an alt text that is a number": shows(png=coded(picture()), given={"alt": 5}),
    "no alt text": shows(png=coded(picture()), given={"alt": None}),
    "only a script": new_code_cell(outputs=[new_output("display_data", data={"application/javascript": "alert(1)"})]),
    "no form": new_code_cell(outputs=[new_output("display_data", data={})]),
    "an unknown formula": "Let $\\unknown{x}$ be.",
    "a formula of a thousand brackets": f"${'{' * 3000}x{'}' * 3000}$",
}


@pytest.mark.kind("notebooks that something else wrote")
@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_shown_is_named(drill, book, name):
    drill.refused(lambda: book.build(ODD[name]), "01_good: ")


UNKIND = {
    "a size that is a word": shows(png=coded(picture()), given={"width": "wide"}),
    "a size that is a list": shows(png=coded(picture()), given={"width": [5]}),
    "a size below nothing": shows(png=coded(picture()), given={"width": -5}),
    "base64 in lines": shows(png=base64.encodebytes(picture()).decode()),
    "a thousand quotes": ">" * 3000 + " a",
    "a thousand lists": "- " * 3000 + "a",
    "a thousand tags": "<div>" * 3000 + "a",
    "a thousand dollars": "$" * 3001,
    "a thousand brackets": "[" * 3000 + "a",
    "a long line": "word_one $x$ " * 3000,
    "a null character": "A \0 b",
    "colors": new_code_cell(outputs=[new_output("stream", text="\x1b[38;5;200mred\x1b[0m \x1b[2K\x1b[1A \x07 \x08")]),
    "a form feed": new_code_cell(outputs=[new_output("stream", text="\x0c\x0b\x1c")]),
    "a raw cell": nbformat.v4.new_raw_cell("<script>alert(1)</script>"),
}


@pytest.mark.kind("notebooks that something else wrote")
@pytest.mark.parametrize("name", UNKIND)
def test_what_can_be_shown_is(drill, book, name):
    page = book.page(UNKIND[name])
    drill.good(not page.find("script"), name)
