"""The gallery and what authors, libraries and bad disks put into notebooks: shown as meant, or refused by name."""

import base64
import io
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
        (root / "figures/01_good").mkdir(parents=True)
        (root / "executed").mkdir()

    def build(self, *cells):
        cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        notebook = new_notebook(cells=[new_markdown_cell("# A title\n\n## A"), *cells])
        for folder in ("executed", "notebooks"):
            nbformat.write(notebook, self.root / folder / "01_good.ipynb")
        return build_gallery(self.root / "executed", self.root / "figures", self.root / "gallery")

    def page(self, *cells):
        self.build(*cells)
        page = BeautifulSoup((self.root / "gallery/01_good.html").read_text(encoding="utf-8"), "html.parser").main
        page.h1.decompose()
        return page


def shows(**forms):
    """A code cell with one output of these forms (`html`, `png`, ...); a picture has the alt text A plot."""
    kinds = {"html": "text/html", "markdown": "text/markdown", "latex": "text/latex"}
    data = {kinds.get(name, f"image/{name}"): value for name, value in forms.items()}
    metadata = {kind: {"alt": "A plot"} for kind in data if kind.startswith("image/")}
    return new_code_cell("run", execution_count=1, outputs=[new_output("display_data", data=data, metadata=metadata)])


def picture(kind, frames=1):
    generator = random.Random(1)
    noise = [Image.frombytes("RGB", (47, 31), generator.randbytes(47 * 31 * 3)) for _ in range(frames)]
    file = io.BytesIO()
    noise[0].save(file, kind, **({"save_all": True, "append_images": noise[1:]} if frames > 1 else {}))
    return file.getvalue()


def coded(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


# --- correct text

TEXTS = {
    r"D:\data\new_run\beta.csv and \\server\share_1": 0,
    r"Escape with \n, \t_1, \x1b[0m and \u00e9.": 0,
    "Between $3 and $4_000 (or 3$ to 4$).": 0,
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
@pytest.mark.parametrize("form", ["cell", "quote", "list", "output"])
def test_correct_text_is_shown(drill, book, text, form):
    if form == "output" and "\\" in text:
        text = text.replace("\\", "\\\\") if TEXTS[text] == 0 else text
    page = book.page({"cell": text, "quote": f"> {text}", "list": f"- {text}\n- b", "output": shows(markdown=text)}[form])
    drill.good(len(page.find_all("math")) == TEXTS.get(text, 0), f"{form}: {page}")
