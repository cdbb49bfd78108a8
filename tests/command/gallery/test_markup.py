"""HTML from notebooks: what may stand on a page, pictures at their size, and links that lead somewhere in the project."""

import base64

import nbformat
import pytest
from nbformat.v4 import new_notebook

from wmlib.experiment import results


def coded(data, kind="png"):
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("[x](02_gone.ipynb)", "the link to 02_gone.ipynb names no file of the project"),
        ("[x](../gone.py)", "the link to ../gone.py names no file"),
        ("![A plot](gone.png)", "the picture gone.png names no file of the project"),
        ("![](../figures/01_good/hero.png)", "the picture ../figures/01_good/hero.png has no alt text"),
        ('<img src="../figures/01_good/hero.png">', "has no alt text"),
        ("![A plot](attachment:gone.png)", "the picture attachment:gone.png is not attached to its cell"),
        ("![A badge](https://example.org/a.svg)", "the picture https://example.org/a.svg names no file of the project"),
        ("![A plot](profiles.toml)", "the picture profiles.toml is damaged, or neither PNG"),
        ("<script>alert(1)</script>", "<script> cannot be shown offline"),
        ('<iframe src="https://example.org"></iframe>', "<iframe> cannot be shown offline"),
        ('<p onclick="x()">a</p>', "<p onclick> needs JavaScript"),
        ("[x](javascript:void)", "javascript:void is neither an address with https:"),
        ("<a href='java&#9;script:void'>a</a>", "script:void is neither an address with https:"),
        ("[x](http://[)", "http://%5B is neither an address with https:"),
        ("<data:text/html,a>", "the link to data:text/html,a names no file"),
        ("[x](file:///etc/hostname)", "file:///etc/hostname is neither an address with https:"),
        ('<p style="background: url(//example.org/a.png)">a</p>', "the style of a <p> has background"),
        ('<p style="position: fixed">a</p>', "the style of a <p> has position"),
        ("<style>@import 'a.css';</style>", "<style> cannot be shown offline"),
        ('<svg><a href="javascript:x()"/></svg>', "<svg> cannot be shown offline"),
        ('<img alt="a" srcset="https://example.org/a.png">', "<img srcset> cannot be shown offline"),
        ('<video poster="https://example.org/a.png"></video>', "the file https://example.org/a.png names no file"),
    ],
)
def test_faults_of_html_are_named(site, cell, fault):
    assert fault in site.faults(cell)


@pytest.mark.parametrize("place", ["![A plot]({})", '<img alt="A plot" src="{}">', "[a]({})", '<video src="{}"></video>'])
@pytest.mark.parametrize(
    "path",
    [
        "../../outside.png",
        "..%2f..%2foutside.png",
        "%2e%2e/%2e%2e/outside.png",
        "..%5c..%5coutside.png",
        "/etc/hostname",
        "//etc/hostname",
        "link.png",
        "linked/outside.png",
        "../.git/config",
        "config",
        "a%00b.png",
        "x" * 300,
    ],
)
def test_nothing_outside_the_project_gets_in(site, place, path):
    (site.root.parent / "outside.png").write_bytes(site.picture())
    (site.root / ".git").mkdir()
    (site.root / ".git/config").touch()
    (site.root / "notebooks/link.png").symlink_to(site.root.parent / "outside.png")
    (site.root / "notebooks/linked").symlink_to(site.root.parent)
    (site.root / "notebooks/config").symlink_to("../.git/config")
    assert "names no file of the project" in site.faults(place.format(path))


@pytest.mark.parametrize("file", ["link.png", "gone.png"])
def test_a_figure_outside_its_folder_is_not_there(site, file):
    site.add("01_good")
    folder = site.root / "figures/01_good"
    (site.root.parent / "outside.png").write_bytes(site.picture())
    (site.root / "figures/hero.png").write_bytes(site.picture())
    (folder / "link.png").symlink_to(site.root.parent / "outside.png")
    record = results.read(folder / "results.json")
    record["figures"][0]["file"] = file
    results.write(folder / "results.json", record)
    with pytest.raises(ValueError, match="which is not beside it"):
        site.build()


@pytest.mark.parametrize("file", ["../hero.png", "/etc/hostname", "a/hero.png", "a\0b.png"])
def test_results_name_no_figure_outside_their_folder(site, file):
    site.add("01_good")
    stored = site.root / "figures/01_good/results.json"
    record = results.read(stored)
    record["figures"][0]["file"] = file
    with pytest.raises(results.ResultsError, match="must match pattern"):
        results.write(stored, record)


def test_what_a_browser_reads_otherwise_than_the_check_is_dropped(site):
    page = site.built("<div>a<!--><p onclick=x()>b</p>--></div>", site.code(site.shows({"text/html": "</main><b>b"})))
    assert "onclick" not in str(page) and len(page.find_all("main")) == 1 and page.main.b


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ('<details open><summary>A</summary><p align="center">b</p></details>', ["details", "summary", "p[align=center]"]),
        ('<table border="1"><tr><td colspan="2" style="text-align: right">1</td></tr></table>', ['td[colspan="2"][style]']),
        ('<center><font color="red">a</font></center> <kbd>b</kbd><sub>c</sub>', ["font[color=red]", "kbd", "sub"]),
        ('<a href="https://example.org" target="_blank" title="t">b</a>', ["a[href][target][title]"]),
        ('<div class="c" data-x="1" aria-label="l">a</div>', ["div.c[data-x][aria-label]"]),
        ('<a href="mailto:a@example.org">b</a>', ["a[href]"]),
        ("<style scoped>.c td {color: red}</style><table><tr><td>1</td></tr></table>", ["td"]),
        ("<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>", ["mfrac > mi"]),
        ("<td>a</td><b>c", ["b"]),
    ],
)
def test_html_of_outputs_is_kept(site, html, kept):
    page = site.built(site.code(site.shows({"text/html": html})))
    assert all(page.find(class_="outputs").select(selector) for selector in kept) and not page.find("style")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", {"width": "40", "height": "30"}),
        ('width="20"', {"width": "20", "height": "15"}),
        ("width=20px", {"width": "20", "height": "15"}),
        ('height="15"', {"width": "20", "height": "15"}),
        ('width="50%"', {"width": "50%", "height": None}),
        ('width="80" height="20"', {"width": "80", "height": "20", "style": "aspect-ratio: 80 / 20"}),
        ('style="width: 10em" title="t" align="right"', {"style": "width:10em", "title": "t", "align": "right", "width": None}),
    ],
)
def test_a_picture_inside_html_becomes_a_file_at_its_size(site, given, shown):
    data = site.picture(size=(40, 30))
    html = f'<img alt="A dot" {given} src="{coded(data)}">'
    img = site.built(html, site.code(site.shows({"text/html": html}))).find("img", alt="A dot")
    assert img["src"].startswith("pictures/01_good-") and {name: img.get(name) for name in shown} == shown
    assert (site.out / img["src"]).read_bytes() == data


def test_a_film_of_the_project_comes_along(site):
    (site.root / "notebooks/film.mp4").write_bytes(b"film")
    page = site.built('<video controls src="film.mp4"></video><video src="data:video/mp4;base64,AAAA"></video>')
    assert [tag["src"] for tag in page.find_all("video")] == ["files/notebooks/film.mp4", "data:video/mp4;base64,AAAA"]


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
