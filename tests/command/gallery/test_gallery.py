"""The gallery: pages that open from the disk, complete and readable, or one error that names every fault."""

import base64
import io
import itertools
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from wmlib.experiment import results
from wmlib.experiment.results import Claim, judge
from wmlib.experiment.statistics import Estimate
from wmlib.command.gallery import build_gallery

ALT = 'Success "rises" from 0 to 1 & stays <there>'
VERDICTS = {"reproduced": 0.95, "partly": 0.7, "not reproduced": 0.2}


def picture(kind="PNG", size=(31, 17), frames=1):
    """The bytes of a small picture."""
    shades = [Image.new("L", size, color) for color in range(7, 7 + 50 * frames, 50)]
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": shades[1:]} if frames > 1 else {}
    shades[0].save(buffer, kind, **more)
    return buffer.getvalue()


def shows(data, metadata=None):
    """An output with these forms; bytes are coded as notebooks do."""
    coded = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in data.items()}
    return new_output("display_data", data=coded, metadata=metadata or {})


def code(*outputs, source="run", **metadata):
    return new_code_cell(source, execution_count=3, outputs=list(outputs), metadata=metadata)


@pytest.fixture
def site(project):
    return Site(project.path)


class Site:
    """A project whose notebooks are executed by hand; `build` makes its gallery and `page` reads one page."""

    def __init__(self, root):
        self.root = root
        self.out = root / "build/gallery"
        self.executed = root / "executed"
        self.executed.mkdir()

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
        (folder / "hero.png").write_bytes(picture())
        claims = []
        for word in verdicts:
            claim = Claim(word.replace(" ", "-"), f"It is {word}.", "ours", "no number", "share", reproduced=0.9, partly=0.5)
            claims.append(judge(claim, Estimate(VERDICTS[word], 0.1, 1.0, 13)))
        headline = {"label": "share", "value": 0.99, "interval": [0.9, 1.0], "n": 13, "text": "99 of 100 seeds succeed"}
        hero = {"name": "hero", "file": "hero.png", "alt": "Success rises to one, quickly", "caption": "Success, n = 13."}
        record = {"settings": {}, "data": {}, "versions": {}, "commit": None, "dirty": None}
        record |= {"schema": 1, "notebook": name, "title": title, "profile": "quick", "seed": 5, "device": "cpu"}
        record |= {"machine": "two cores", "wall_time_s": 2.0, "from_scratch_s": 83.2}
        results.write(folder / "results.json", record | {"headline": headline, "claims": claims, "figures": [hero]})

    def build(self):
        return build_gallery(self.executed, self.root / "figures", self.out)

    def page(self, name="01_good"):
        return BeautifulSoup((self.out / f"{name}.html").read_text(encoding="utf-8"), "html.parser")

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


def fill(site):
    """Build a gallery with all kinds of cells and of notebooks."""
    site.add(
        "01_good",
        "## First\n\nInline $x^2$, [other](02_other.ipynb#The-end), [paper](https://arxiv.org/abs/1803.10122).",
        "![Success rises](../figures/01_good/hero.png)\n\n### Deeper\n\n| a | b |\n|---|--:|\n| $p(x|z)$ | $\\|x\\|$ |",
        "```python\ndef f():\n    return 1\n```\n\n<details><summary>Answer</summary>\n\n$\\frac{1}{2}$\n\n</details>",
        code(shows({"image/png": picture(), "text/plain": "x"}, {"image/png": {"alt": ALT, "width": 62}})),
        code(shows({"image/gif": picture("GIF", frames=3)}, {"image/gif": {"alt": "It moves"}})),
        code(shows({"text/html": "<table><tr><td>1</td></tr></table>"}), shows({"text/latex": r"$\frac{a}{b}$"})),
        code(new_output("stream", name="stderr", text="UserWarning: careful\n")),
        title="One · $\\lambda$",
        verdicts=("reproduced", "partly"),
    )
    site.add("02_other", "## The end", title="Two", verdicts=("not reproduced",))
    site.add("03_third", "## Waiting", title="Three", stored=False)
    error = new_output("error", ename="KeyError", evalue="'x'\nmore", traceback=["\x1b[31mKeyError\x1b[39m: 'x'"])
    site.add("04_bad", code(error), title="Four")
    site.build()
    return site


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A full gallery that tests only read."""
    root = tmp_path_factory.mktemp("project")
    (root / "notebooks").mkdir()
    (root / "pyproject.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMLIB_ROOT", str(root))
        return fill(Site(root))


def soups(site):
    for file in sorted(site.out.glob("*.html")):
        yield file.name, BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def test_each_notebook_has_a_card_with_what_became_of_it(everything):
    index = everything.page("index")
    cards = [" ".join(card.get_text(" ").split()) for card in index.find_all("article")]
    assert len(cards) == 4
    for text in ("One · λ", "99 of 100 seeds succeed", "reproduced It is", "partly It is", "quick profile", "1 min 23 s"):
        assert text in cards[0]
    assert "not reproduced It is not reproduced." in cards[1]
    assert "not run yet" in cards[2]
    assert "failed Cell [3]: KeyError: 'x'" in cards[3] and "more" not in cards[3] and "99 of" not in cards[3]
    hero = index.article.img
    assert hero["alt"] == "Success rises to one, quickly" and (everything.out / hero["src"]).is_file()
    assert [a["href"] for a in index.select("article h2 a")] == [
        "01_good.html", "02_other.html", "03_third.html", "04_bad.html#failed",
    ]  # fmt: skip
    summary = index.find(class_="opening").get_text()
    assert "2 of 4 notebooks ran" in summary and "1 reproduced, 1 partly, 1 not reproduced" in summary
    assert "2 min 46 s" in summary


def test_pages_lead_to_their_neighbours(everything):
    assert everything.page("01_good").find(rel="prev") is None
    assert everything.page("02_other").find(rel="prev")["href"] == "01_good.html"
    assert everything.page("02_other").find(rel="next")["href"] == "03_third.html"


def test_a_failed_run_shows_where_it_stopped_without_terminal_codes(everything):
    page = everything.page("04_bad")
    assert "KeyError: 'x'" in page.find(class_="alert").get_text()
    assert page.find(id="failed").get_text() == "KeyError: 'x'"
    assert page.find(class_="claims") is None  # results of an earlier run are not this run's


def test_a_browser_fetches_nothing_but_files_of_the_gallery(everything):
    for name, page in soups(everything):
        assert not page.find_all(["script", "iframe", "object", "embed", "base"]), name
        loaded = [tag[a] for a in ("src", "srcset", "poster", "data") for tag in page.find_all(attrs={a: True})]
        loaded += [link["href"] for link in page.find_all("link")]
        for address in loaded:
            url = urlsplit(address)
            assert url.scheme in ("", "data") and not url.netloc, (name, address)
            assert url.scheme == "data" or (everything.out / url.path).is_file(), (name, address)
        assert not re.search(r"url\(|@import", str(page)), name
        assert "mathjax" not in str(page).lower() and "require" not in str(page)
    css = (everything.out / "style.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?:", css)
    assert len(css.splitlines()) < 200


def test_every_link_leads_somewhere(everything):
    pages = dict(soups(everything))
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme:
                continue
            assert (everything.out / (url.path or name)).exists(), (name, link)
            if url.fragment:
                assert pages[url.path or name].find(id=unquote(url.fragment)), (name, link)


def test_pages_can_be_read_with_keyboard_and_ears(everything):
    for name, page in soups(everything):
        assert page.html["lang"] == "en"
        assert len(page.find_all("h1")) == 1, name
        levels = [int(h.name[1]) for h in page.find_all(re.compile("^h[1-6]$"))]
        assert levels[0] == 1 and all(b <= a + 1 for a, b in itertools.pairwise(levels)), (name, levels)
        first = page.body.find("a")
        assert first["class"] == ["skip"] and page.find(id=first["href"][1:]).name == "main"
        ids = [tag["id"] for tag in page.find_all(id=True)]
        assert len(ids) == len(set(ids))
        assert all(img.get("alt", "").strip() for img in page.find_all("img"))
        assert all(nav.get("aria-label") or nav.get("aria-labelledby") for nav in page.find_all("nav"))
        for table in page.find_all("table"):
            assert table.parent["role"] == "region" and table.parent["tabindex"] == "0"


def test_contents_list_the_headings_of_a_page(everything):
    items = everything.page().select("nav.contents li")
    assert [(li["class"], li.get_text(), li.a["href"]) for li in items] == [
        (["level-2"], "First", "#First"),
        (["level-3"], "Deeper", "#Deeper"),
    ]


def test_formulas_become_mathml_wherever_they_stand(everything):
    page = everything.page()
    assert page.h1.math and page.find("td").math and page.find("details", class_=False).math
    assert page.find(class_="outputs").find_parent("main").find(class_="markdown").math.mfrac
    assert "‖x‖" in page.find("table").get_text()  # \| in a table row is no border
    for math in page.find_all("math"):
        math.decompose()
    assert "$" not in page.main.get_text() and "\\" not in page.main.get_text()


@pytest.mark.parametrize(
    "source",
    [
        "Text $$\\sum_{i=1}^n i$$ text",
        "\\begin{align}\na &= b \\\\\n&= c\n\\end{align}",
        "1. First\n\n   $$\\sum_{i=1}^n i$$",
        "$$\n\\mathcal{L} = \\begin{cases} a & b \\\\ c & d \\end{cases}\n$$",
    ],
)
def test_display_formulas(site, source):
    page = site.built(source)
    assert page.main.math["display"] == "block"
    assert page.main.math.find_parent(class_="formula")


def test_all_faults_are_named_at_once_and_nothing_is_left(site):
    site.add("01_good", "Wrong: $\\oops{x}$ and $\\frac{a$.")
    site.add("02_other", code(shows({"image/png": picture(), "text/plain": "Figure(640x480)"})))
    with pytest.raises(ValueError) as caught:
        site.build()
    message = str(caught.value)
    assert "3 faults" in message
    assert "01_good: formula \\oops{x}: unknown command \\oops" in message
    assert "01_good: formula \\frac{a: 1 opening and 0 closing braces" in message
    assert "02_other: an image/png output has no alt text in its metadata: Figure(640x480)" in message
    assert not site.out.exists() and not list(site.out.parent.iterdir())


def test_building_again_gives_the_same_bytes_and_leaves_nothing_old(site):
    fill(site)
    before = {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()}
    (site.out / "old.html").touch()
    assert site.build() == site.out / "index.html"
    assert {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()} == before
    site.add("05_new", "$\\oops$")
    with pytest.raises(ValueError, match="05_new"):
        site.build()  # the old gallery stays as it was
    assert {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()} == before
    assert list(site.out.parent.iterdir()) == [site.out]


def test_alt_text_size_and_bytes_of_a_picture_arrive(everything):
    page = everything.page()
    img = page.find("img", alt=ALT)
    assert (img["width"], img["height"]) == ("62", "34")  # a width in the metadata scales both
    assert (everything.out / img["src"]).read_bytes() == picture()


def test_an_animation_stands_still_for_those_who_ask(everything):
    shown = everything.page().find("picture")
    assert shown.img["alt"] == "It moves" and shown.img["src"].endswith(".gif")
    assert shown.source["media"] == "(prefers-reduced-motion: reduce)"
    still = Image.open(everything.out / shown.source["srcset"])
    assert still.format == "PNG" and still.size == (31, 17)
    assert shown.find_next_sibling("a")["href"] == shown.img["src"]


def test_an_animation_stands_still_on_its_poster(site):
    cell = code(shows({"image/gif": picture("GIF", frames=3)}, {"image/gif": {"alt": "A wave that travels to the left"}}))
    site.add("01_good", cell)
    file = site.root / "figures/01_good/results.json"
    record = results.read(file)
    figure = record["figures"][0] | {"alt": "A wave that travels to the left"}
    results.write(file, record | {"figures": [figure, figure | {"name": "wave", "file": "wave.gif"}]})
    poster = picture(size=(31, 19))
    (file.parent / "wave.png").write_bytes(poster)
    site.build()
    assert (site.out / site.page().picture.source["srcset"]).read_bytes() == poster


@pytest.mark.parametrize("kind", ["image/png", "image/gif", "image/jpeg", "image/svg+xml"])
def test_pictures_without_alt_text_are_faults(site, kind):
    data = "<svg xmlns='http://www.w3.org/2000/svg'/>" if kind == "image/svg+xml" else picture()
    assert f"an {kind} output has no alt text" in site.faults(code(shows({kind: data}, {kind: {"alt": " "}})))


def test_a_drawing_is_kept_as_a_file(site):
    svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 5'/>"
    page = site.built(code(shows({"image/svg+xml": svg}, {"image/svg+xml": {"alt": "A box"}})))
    assert (site.out / page.find("img", alt="A box")["src"]).read_text() == svg


def test_an_attached_picture_is_kept_as_a_file(site):
    cell = new_markdown_cell("![Attached](attachment:a.png)")
    cell.attachments = {"a.png": {"image/png": base64.b64encode(picture()).decode()}}
    page = site.built(cell)
    assert (site.out / page.find("img", alt="Attached")["src"]).read_bytes() == picture()


def test_the_widgets_of_a_cell_become_one_line(site):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "VBox(children=())"}
    page = site.built(code(shows(view), shows({"text/plain": "kept"}), shows(view)))
    notes = [note.get_text() for note in page.find_all(class_="note")]
    assert notes == ["Sliders here: open the notebook in JupyterLab to move them."]
    assert "VBox" not in page.get_text() and "kept" in page.get_text()


def test_streams_are_joined_and_progress_keeps_its_last_state(site):
    page = site.built(
        code(
            new_output("stream", name="stdout", text="10%\r50%\r"),
            new_output("stream", name="stdout", text="100%\ndone\n"),
            new_output("stream", name="stderr", text="\x1b[31mcareful <b>\x1b[0m\n"),
            shows({"text/plain": "waiting: 30/30"}, {"wmlib_progress": "waiting: 30/30"}),
        )
    )
    assert [pre.get_text() for pre in page.find_all(class_="stdout")] == ["100%\ndone\n", "waiting: 30/30"]
    assert page.find(class_="stderr").get_text() == "careful <b>\n"


def test_code_is_visible_highlighted_and_can_be_folded(site):
    shown = code(source="def f(x):\n    return x < 1")
    hidden = code(source="pass", jupyter={"source_hidden": True})
    given = code(source="seed = 1", tags=["injected-parameters"])
    blocks = site.built(shown, hidden, given, code(source="")).find_all("details")
    assert ["open" in block.attrs for block in blocks] == [True, False, True]
    assert blocks[0].pre.get_text().strip() == "def f(x):\n    return x < 1"
    assert blocks[0].find(class_="k").get_text() == "def"
    assert blocks[2].summary.get_text().startswith("Parameters given for this run")


def test_links_to_notebooks_files_and_headings(site):
    (site.root / "wmlib").mkdir()
    (site.root / "wmlib/mdn.py").write_text("# here\n")
    nbformat.write(new_notebook(), site.root / "notebooks/02_other.ipynb")
    page = site.built(
        "## The idea: $K$\n\n[up](#The-idea:-K) [code](../wmlib/mdn.py) [later](02_other.ipynb) [self](01_good.ipynb)",
        "## The idea: $K$",
    )
    assert [h["id"] for h in page.find_all("h2")] == ["The-idea:-K", "The-idea:-K-2"]
    links = {a.get_text(): a["href"] for a in page.main.find_all("a")}
    assert links == {"up": "#The-idea:-K", "code": "files/wmlib/mdn.py", "self": "01_good.html"}
    assert (site.out / "files/wmlib/mdn.py").read_text() == "# here\n"
    assert "later (not in this gallery)" in page.main.get_text()


def test_figures_of_this_run_go_before_committed_ones(site):
    site.add("01_good", "![Hero](../figures/01_good/hero.png)", stored=False)
    for folder, size in (("figures", (5, 3)), ("build/smoke/figures", (7, 3))):
        (site.root / folder / "01_good").mkdir(parents=True)
        (site.root / folder / "01_good/hero.png").write_bytes(picture(size=size))
    build_gallery(site.executed, site.root / "build/smoke/figures", site.out)
    assert site.page().img["width"] == "7"


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("[x](#nowhere)", "the link to #nowhere"),
        ("[x](02_gone.ipynb)", "the link to 02_gone.ipynb names a notebook that does not exist"),
        ("[x](01_good.ipynb#nowhere)", "01_good.ipynb#nowhere has no such heading"),
        ("[x](../gone.py)", "the link to ../gone.py names no file"),
        ("[x](../../../../../../../../etc/hostname)", "names no file of the project"),
        ("![A plot](gone.png)", "the picture gone.png does not exist"),
        ("![](../figures/01_good/hero.png)", "the picture ../figures/01_good/hero.png has no alt text"),
        ('<img src="../figures/01_good/hero.png">', "has no alt text"),
        ("![A plot](attachment:gone.png)", "missing attachment: gone.png"),
        ("![A badge](https://example.org/a.svg)", "loads https://example.org/a.svg from the network"),
        ("<script>alert(1)</script>", "<script> cannot be shown offline"),
        ('<iframe src="https://example.org"></iframe>', "<iframe> cannot be shown offline"),
        ('<p onclick="x()">a</p>', "<p onclick> needs JavaScript"),
        ("[x](javascript:void)", "needs JavaScript"),
        ('<p style="background: url(//example.org/a.png)">a</p>', "the style of a <p> loads a file"),
        ("<style>@import 'a.css';</style>", "a <style> element loads a file"),
        ("<div>\n$x_1$\n</div>", "a formula was left as text"),
        ("#### Too deep", "heading 'Too deep' is of level 4, right after level 1"),
        ("# Again", "a second title 'Again'"),
    ],
)
def test_faults_of_markdown_are_named(site, cell, fault):
    assert fault in site.faults(cell)


@pytest.mark.parametrize(
    ("data", "metadata", "fault"),
    [
        ({"text/html": "<script src='x.js'></script>"}, {}, "<script> cannot be shown offline"),
        ({"text/html": "<img alt='a' src='http://example.org/a.png'>"}, {}, "from the network"),
        ({"text/latex": r"$\oops$"}, {}, r"unknown command \oops"),
        ({"application/javascript": "alert(1)"}, {}, "an output comes only as application/javascript"),
        ({"image/png": b"no picture"}, {"image/png": {"alt": "A plot"}}, "damaged: A plot"),
    ],
)
def test_faults_of_outputs_are_named(site, data, metadata, fault):
    assert fault in site.faults(code(shows(data, metadata)))


def test_a_notebook_needs_a_title(site):
    notebook = new_notebook(cells=[new_markdown_cell("## Only this")])
    nbformat.write(notebook, site.executed / "01_good.ipynb")
    with pytest.raises(ValueError, match="01_good: there is no title"):
        site.build()


def test_the_marks_that_papermill_leaves_are_dropped(site):
    mark = new_markdown_cell('<span style="color:red">An Exception</span>', metadata={"tags": ["papermill-error-cell-tag"]})
    page = site.built(mark, "Text")
    assert "An Exception" not in page.get_text()


@pytest.mark.parametrize("missing", [True, False])
def test_no_executed_notebooks(site, missing):
    (site.executed / "01_good.partial.ipynb").touch()
    folder = site.root / "gone" if missing else site.executed
    with pytest.raises(ValueError, match=r"executed: no notebooks .* run \./run_all\.sh first"):
        build_gallery(folder, site.root / "figures", site.out)


def test_only_a_gallery_is_replaced(site):
    site.add("01_good")
    site.out.mkdir(parents=True)
    site.build()  # an empty folder will do
    keep = site.root / "notebooks"
    with pytest.raises(ValueError, match=r"out: .*notebooks holds something that is not a gallery"):
        build_gallery(site.executed, site.root / "figures", keep)
    assert list(keep.glob("*.ipynb"))


def test_damaged_files_are_named(site):
    site.add("01_good")
    stored = site.root / "figures/01_good/results.json"
    record = json.loads(stored.read_text())
    stored.write_text(json.dumps(record | {"schema": 2}))
    with pytest.raises(ValueError, match=re.escape(str(stored))):
        site.build()
    stored.write_text(json.dumps(record))
    (site.root / "figures/01_good/hero.png").unlink()
    with pytest.raises(ValueError, match=r"01_good: results.json names the figure hero.png, which is not beside it"):
        site.build()
    (site.executed / "02_other.ipynb").write_text("{")
    with pytest.raises(ValueError, match=r"02_other.ipynb is not a notebook"):
        site.build()


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_in_light_and_dark(theme):
    css = (Path(results.__file__).parents[1] / "command/gallery/style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]))
    pairs = [(text, back) for text in ("ink", "quiet", "link") for back in ("paper", "raised", "sunk")]
    pairs += [(text, "sunk") for text in ("code", "keyword", "string", "number", "comment", "name")]
    pairs += [(text, f"{text}-bg") for text in ("good", "part", "bad")]
    for text, back in pairs:
        low, high = sorted((luminance(colors[text]), luminance(colors[back])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)
