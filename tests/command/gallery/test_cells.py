"""The cells of a notebook as HTML: formulas, code, streams, and each output in the best of its forms."""

import base64

import pytest
from nbformat.v4 import new_markdown_cell, new_raw_cell


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


@pytest.mark.parametrize("kind", ["image/png", "image/gif", "image/jpeg", "image/svg+xml"])
def test_pictures_without_alt_text_are_faults(site, kind):
    data = "<svg xmlns='http://www.w3.org/2000/svg'/>" if kind == "image/svg+xml" else site.picture()
    assert f"an {kind} output has no alt text" in site.faults(site.code(site.shows({kind: data}, {kind: {"alt": " "}})))


def test_a_drawing_is_kept_as_a_file(site):
    svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 5'/>"
    page = site.built(site.code(site.shows({"image/svg+xml": svg}, {"image/svg+xml": {"alt": "A box"}})))
    assert (site.out / page.find("img", alt="A box")["src"]).read_text() == svg


def test_an_attached_picture_is_kept_as_a_file(site):
    cell = new_markdown_cell("![Attached](attachment:a.png)")
    cell.attachments = {"a.png": {"image/png": base64.b64encode(site.picture()).decode()}}
    page = site.built(cell)
    assert (site.out / page.find("img", alt="Attached")["src"]).read_bytes() == site.picture()


def test_the_widgets_of_a_cell_become_one_line(site):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "VBox(children=())"}
    page = site.built(site.code(site.shows(view), site.shows({"text/plain": "kept"}), site.shows(view)))
    notes = [note.get_text() for note in page.find_all(class_="note")]
    assert notes == ["Sliders here: open the notebook in JupyterLab to move them."]
    assert "VBox" not in page.get_text() and "kept" in page.get_text()


def test_streams_are_joined_and_progress_keeps_its_last_state(site):
    page = site.built(
        site.code(
            site.output("stream", name="stdout", text="10%\r50%\r"),
            site.output("stream", name="stdout", text="100%\ndone\n"),
            site.output("stream", name="stderr", text="\x1b[31mcareful <b>\x1b[0m\n"),
            site.shows({"text/plain": "waiting: 30/30"}, {"wmlib_progress": "waiting: 30/30"}),
        )
    )
    assert [pre.get_text() for pre in page.find_all(class_="stdout")] == ["100%\ndone\n", "waiting: 30/30"]
    assert page.find(class_="stderr").get_text() == "careful <b>\n"


def test_code_is_visible_highlighted_and_can_be_folded(site):
    shown = site.code(source="def f(x):\n    return x < 1")
    hidden = site.code(source="pass", jupyter={"source_hidden": True})
    given = site.code(source="seed = 1", tags=["injected-parameters"])
    blocks = site.built(shown, hidden, given, site.code(source="")).find_all("details")
    assert ["open" in block.attrs for block in blocks] == [True, False, True]
    assert blocks[0].pre.get_text().strip() == "def f(x):\n    return x < 1"
    assert blocks[0].find(class_="k").get_text() == "def"
    assert blocks[2].summary.get_text().startswith("Parameters given for this run")


@pytest.mark.parametrize(
    ("data", "metadata", "fault"),
    [
        ({"text/html": "<script src='x.js'></script>"}, {}, "<script> cannot be shown offline"),
        ({"text/html": "<img alt='a' src='http://example.org/a.png'>"}, {}, "names no file of the project"),
        ({"text/latex": r"$\oops$"}, {}, r"unknown command \oops"),
        ({"application/javascript": "alert(1)"}, {}, "an output comes only as application/javascript"),
        ({"image/png": b"no picture"}, {"image/png": {"alt": "A plot"}}, "an image/png output is damaged, or neither PNG"),
        ({"image/png": "%%%"}, {"image/png": {"alt": "A plot"}}, "nor SVG: A plot"),
    ],
)
def test_faults_of_outputs_are_named(site, data, metadata, fault):
    assert fault in site.faults(site.code(site.shows(data, metadata)))


def test_the_marks_that_papermill_leaves_are_dropped(site):
    mark = new_markdown_cell('<span style="color:red">An Exception</span>', metadata={"tags": ["papermill-error-cell-tag"]})
    page = site.built(mark, "Text")
    assert "An Exception" not in page.get_text()


def test_a_raw_cell_is_text(site):
    page = site.built(new_raw_cell("<script>alert(1)</script>"))
    assert page.main.pre.get_text() == "<script>alert(1)</script>" and not page.main.find("script")


@pytest.mark.parametrize("metadata", [{}, 3, {"alt": None}, {"alt": 5}, {"alt": " "}])
def test_an_alt_text_is_text(site, metadata):
    output = site.shows({"image/png": site.picture(), "text/plain": "<Figure>"}, {"image/png": metadata})
    assert "an image/png output has no alt text in its metadata: <Figure>" in site.faults(site.code(output))
