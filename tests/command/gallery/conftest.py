"""A project whose notebooks are executed by hand, its gallery, and the cells it is made of."""

import base64
import io

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from wmlib.command.gallery import build_gallery
from wmlib.experiment import results
from wmlib.experiment.claims import Claim, judge
from wmlib.experiment.statistics import Evidence

SUCCESSES = {"reproduced": 95, "partly": 70, "not reproduced": 20, "undecided": 49}  # of 100


@pytest.fixture
def site(project):
    """An empty project, its cells and gallery: see `ExecutedProject`."""
    return ExecutedProject(project.path)


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """A full gallery that tests only read."""
    root = tmp_path_factory.mktemp("project")
    (root / "notebooks").mkdir()
    (root / "pyproject.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMLIB_ROOT", str(root))
        site = ExecutedProject(root)
        site.fill()
    return site


class ExecutedProject:
    """A project whose notebooks are executed by hand; `build` makes its gallery and `page` reads one page."""

    ALT = 'Success "rises" from 0 to 1 & stays <there>'

    def __init__(self, root):
        self.root = root
        self.out = root / "build/gallery"
        self.executed = root / "executed"
        self.executed.mkdir()

    # --- what notebooks are made of

    @staticmethod
    def picture(kind="PNG", size=(31, 17), frames=1):
        """The bytes of a small picture."""
        shades = [Image.new("L", size, color) for color in range(7, 7 + 50 * frames, 50)]
        buffer = io.BytesIO()
        more = {"save_all": True, "append_images": shades[1:]} if frames > 1 else {}
        shades[0].save(buffer, kind, **more)
        return buffer.getvalue()

    @staticmethod
    def shows(data, metadata=None):
        """An output with these forms; bytes are coded as notebooks do."""
        coded = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in data.items()}
        return new_output("display_data", data=coded, metadata=metadata or {})

    output = staticmethod(new_output)

    @staticmethod
    def code(*outputs, source="run", **metadata):
        return new_code_cell(source, execution_count=3, outputs=list(outputs), metadata=metadata)

    # --- notebooks and their results

    def add(self, name, *cells, title="A title", verdicts=("reproduced",), stored=True):
        cells = [new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        notebook = new_notebook(cells=[new_markdown_cell(f"# {title}"), *cells])
        nbformat.write(notebook, self.executed / f"{name}.ipynb")
        nbformat.write(notebook, self.root / "notebooks" / f"{name}.ipynb")
        if stored:
            self.store(name, title, verdicts)

    def store(self, name, title, verdicts):
        folder = self.root / "figures" / name
        folder.mkdir(parents=True)
        (folder / "hero.png").write_bytes(self.picture())
        claims = []
        for word in verdicts:
            numbers = {"smallest": 0.55 if word == "undecided" else 0.9, "null": 0.5}
            claim = Claim(word.replace(" ", "-"), f"It is {word}.", "ours", "no number", "success rate", **numbers)
            claims.append(judge(claim, Evidence("proportion", {"successes": SUCCESSES[word], "n": 100})))
        headline = {"label": "success rate", "value": 0.99, "interval": [0.9, 1.0], "n": 13, "text": "99 of 100 seeds succeed"}
        hero = {"name": "hero", "file": "hero.png", "alt": "Success rises to one, quickly", "caption": "Success, n = 13."}
        record = {"settings": {}, "data": {}, "versions": {}, "commit": None, "dirty": None}
        record |= {"schema": 2, "notebook": name, "title": title, "profile": "quick", "seed": 5, "seeds": {}, "device": "cpu"}
        record |= {"machine": "two cores", "wall_time_s": 2.0, "from_scratch_s": 83.2}
        results.write(folder / "results.json", record | {"headline": headline, "claims": claims, "figures": [hero]})

    def fill(self):
        """Build a gallery with all kinds of cells and of notebooks."""
        error = new_output("error", ename="KeyError", evalue="'x'\nmore", traceback=["\x1b[31mKeyError\x1b[39m: 'x'"])
        shows, code = self.shows, self.code
        self.add(
            "01_good",
            "## First\n\nInline $x^2$, [other](02_other.ipynb#The-end), [paper](https://arxiv.org/abs/1803.10122).",
            "![Success rises](../figures/01_good/hero.png)\n\n### Deeper\n\n| a | b |\n|---|--:|\n| $p(x|z)$ | $\\|x\\|$ |",
            "```python\ndef f():\n    return 1\n```\n\n<details><summary>Answer</summary>\n\n$\\frac{1}{2}$\n\n</details>",
            code(shows({"image/png": self.picture(), "text/plain": "x"}, {"image/png": {"alt": self.ALT, "width": 62}})),
            code(shows({"image/gif": self.picture("GIF", frames=3)}, {"image/gif": {"alt": "It moves"}})),
            code(shows({"text/html": "<table><tr><td>1</td></tr></table>"}), shows({"text/latex": r"$\frac{a}{b}$"})),
            code(new_output("stream", name="stderr", text="UserWarning: careful\n")),
            title="One · $\\lambda$",
            verdicts=("reproduced", "partly"),
        )
        self.add("02_other", "## The end", title="Two", verdicts=("not reproduced",))
        self.add("03_third", "## Waiting", title="Three", stored=False)
        self.add("04_bad", code(error), title="Four")
        self.build()

    # --- the gallery

    def build(self):
        return build_gallery(self.executed, self.root / "figures", self.out)

    def page(self, name="01_good"):
        return BeautifulSoup((self.out / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

    def pages(self):
        """All pages by file name."""
        return [(file.name, self.page(file.stem)) for file in sorted(self.out.glob("*.html"))]

    def built(self, *cells):
        """Build with one notebook of these cells and return its page."""
        self.add("01_good", *cells)
        self.build()
        return self.page()

    def faults(self, *cells):
        """The error that one notebook of these cells causes."""
        self.add("01_good", *cells)
        with pytest.raises(ValueError) as caught:
            self.build()
        return str(caught.value)
