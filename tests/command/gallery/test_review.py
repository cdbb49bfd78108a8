"""The second reading of a page: its title, the ids of its headings, and its table of contents."""

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook


def test_contents_list_the_headings_of_a_page(everything):
    items = everything.page().select("nav.contents li")
    assert [(li["class"], li.get_text(), li.a["href"]) for li in items] == [
        (["level-2"], "First", "#First"),
        (["level-3"], "Deeper", "#Deeper"),
    ]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("[x](#nowhere)", "the link to #nowhere has no such heading"),
        ("[x](01_good.ipynb#nowhere)", "the link to #nowhere has no such heading"),
        ("#### Too deep", "heading 'Too deep' is of level 4, right after level 1"),
        ("# Again", "a second title 'Again'"),
        ('<a id="x"></a><b id="x">b</b>', "the id x is there twice"),
        ('<a id="content"></a>', "the id content is there twice"),
    ],
)
def test_faults_of_headings_are_named(site, cell, fault):
    assert fault in site.faults(cell)


def test_headings_keep_clear_of_the_ids_of_the_page(site):
    assert [h["id"] for h in site.built("## content", "## contents").find_all("h2")] == ["content-2", "contents-2"]


def test_a_notebook_needs_a_title(site):
    notebook = new_notebook(cells=[new_markdown_cell("## Only this")])
    nbformat.write(notebook, site.executed / "01_good.ipynb")
    with pytest.raises(ValueError, match="01_good: there is no title"):
        site.build()


def test_headings_of_outputs_can_be_linked_but_are_not_in_the_contents(site):
    page = site.built("## One", site.code(site.shows({"text/markdown": "### Measured"})), "[there](#Measured)")
    assert [li.get_text() for li in page.select("nav.contents li")] == ["One"]
    assert page.find(id="Measured").name == "h3"
