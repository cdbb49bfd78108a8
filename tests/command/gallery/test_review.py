"""The second reading of a page: headings, links, pictures of Markdown, and nothing from the network."""

import base64

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook


def test_contents_list_the_headings_of_a_page(everything):
    items = everything.page().select("nav.contents li")
    assert [(li["class"], li.get_text(), li.a["href"]) for li in items] == [
        (["level-2"], "First", "#First"),
        (["level-3"], "Deeper", "#Deeper"),
    ]


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


def test_a_notebook_needs_a_title(site):
    notebook = new_notebook(cells=[new_markdown_cell("## Only this")])
    nbformat.write(notebook, site.executed / "01_good.ipynb")
    with pytest.raises(ValueError, match="01_good: there is no title"):
        site.build()


def test_linked_files_are_copied_once_with_their_place_in_the_project(site):
    (site.root / "wmlib").mkdir()
    (site.root / "wmlib/a b.py").write_text("pass\n")
    page = site.built("[one](../wmlib/a%20b.py) [two](../wmlib/a%20b.py#L1) [table](profiles.toml)")
    assert [a["href"] for a in page.main.find_all("a")] == [
        "files/wmlib/a%20b.py",
        "files/wmlib/a%20b.py#L1",
        "files/notebooks/profiles.toml",
    ]
    copies = {str(file.relative_to(site.out)) for file in (site.out / "files").rglob("*") if file.is_file()}
    assert copies == {"files/wmlib/a b.py", "files/notebooks/profiles.toml"}


def test_a_picture_inside_html_becomes_a_file_with_its_width(site):
    data = base64.b64encode(site.picture(size=(40, 30))).decode()
    html = f'<img alt="A dot" width="20" src="data:image/png;base64,{data}">'
    img = site.built(site.code(site.shows({"text/html": html}))).find("img", alt="A dot")
    assert img["src"].startswith("pictures/01_good-") and (img["width"], img["height"]) == ("20", "15")
    assert (site.out / img["src"]).read_bytes() == site.picture(size=(40, 30))


def test_headings_of_outputs_can_be_linked_but_are_not_in_the_contents(site):
    page = site.built("## One", site.code(site.shows({"text/markdown": "### Measured"})), "[there](#Measured)")
    assert [li.get_text() for li in page.select("nav.contents li")] == ["One"]
    assert page.find(id="Measured").name == "h3"
