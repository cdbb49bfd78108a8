"""A page and its pictures: files beside the pages, their sizes, and animations that can stand still."""

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from wmlib.command.gallery import build_gallery
from wmlib.command.gallery.page import Page, Site, show_picture
from wmlib.experiment import results


def test_alt_text_size_and_bytes_of_a_picture_arrive(everything):
    page = everything.page()
    img = page.find("img", alt=everything.ALT)
    assert (img["width"], img["height"]) == ("62", "34")  # a width in the metadata scales both
    assert (everything.out / img["src"]).read_bytes() == everything.picture()


def test_an_animation_stands_still_for_those_who_ask(everything):
    shown = everything.page().find("picture")
    assert shown.img["alt"] == "It moves" and shown.img["src"].endswith(".gif")
    assert shown.source["media"] == "(prefers-reduced-motion: reduce)"
    still = Image.open(everything.out / shown.source["srcset"])
    assert still.format == "PNG" and still.size == (31, 17)
    assert shown.find_next_sibling("a")["href"] == shown.img["src"]


def test_an_animation_stands_still_on_its_poster(site):
    alt = "A wave that travels to the left"
    site.add("01_good", site.code(site.shows({"image/gif": site.picture("GIF", frames=3)}, {"image/gif": {"alt": alt}})))
    file = site.root / "figures/01_good/results.json"
    record = results.read(file)
    figure = record["figures"][0] | {"alt": alt}
    results.write(file, record | {"figures": [figure, figure | {"name": "wave", "file": "wave.gif"}]})
    poster = site.picture(size=(31, 19))
    (file.parent / "wave.png").write_bytes(poster)
    site.build()
    assert (site.out / site.page().picture.source["srcset"]).read_bytes() == poster


def test_figures_of_this_run_go_before_committed_ones(site):
    site.add("01_good", "![Hero](../figures/01_good/hero.png)", stored=False)
    for folder, size in (("figures", (5, 3)), ("build/smoke/figures", (7, 3))):
        (site.root / folder / "01_good").mkdir(parents=True)
        (site.root / folder / "01_good/hero.png").write_bytes(site.picture(size=size))
    build_gallery(site.executed, site.root / "build/smoke/figures", site.out)
    assert site.page().img["width"] == "7"


@pytest.fixture
def page_and_site(tmp_path):
    """A page without results, and a site whose project has one notebook's committed figures."""
    for folder in ("project/notebooks", "project/figures/01_good", "run/01_good", "gallery"):
        (tmp_path / folder).mkdir(parents=True)
    site = Site(tmp_path / "gallery", tmp_path / "project", tmp_path / "run", ["01_good"])
    return Page("01_good", None), site


def test_a_site_finds_files_as_seen_from_the_notebooks(page_and_site, tmp_path):
    _, site = page_and_site
    for name in ("project/LICENSE", "project/notebooks/a.csv", "project/figures/01_good/b.png", "run/01_good/c.png"):
        (tmp_path / name).touch()
    found = {"../LICENSE": "project/LICENSE", "a.csv": "project/notebooks/a.csv", "a.csv?raw#L1": "project/notebooks/a.csv"}
    found |= {"../figures/01_good/b.png": "project/figures/01_good/b.png", "../figures/01_good/c.png": "run/01_good/c.png"}
    assert {address: site.find(address)[0] for address in found} == {k: tmp_path / v for k, v in found.items()}
    assert str(site.find("../figures/01_good/c.png")[1]) == "figures/01_good/c.png"
    for address in ("gone.csv", "../notebooks", "", "../../run/01_good/c.png", "https://example.org/a.csv"):
        with pytest.raises(ValueError, match="names no file of the project"):
            site.find(address)


def test_a_picture_is_one_file_however_often_it_is_shown(page_and_site, site):
    page, target = page_and_site
    data = site.picture(size=(40, 30))
    first = BeautifulSoup(show_picture(data, 'A "dot" & <more>', page, target, {"width": "20"}), "html.parser").img
    assert first["src"].startswith("pictures/01_good-") and (first["width"], first["height"]) == ("20", "15")
    assert first["alt"] == 'A "dot" & <more>'
    assert 'width="40" height="30"' in show_picture(data, "A dot", page, target, {})
    (file,) = (target.folder / "pictures").iterdir()
    assert file.read_bytes() == data and page.problems == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_that_is_cut_anywhere_is_refused(page_and_site, site, kind):
    page, target = page_and_site
    data = site.picture(kind, frames=3 if kind in ("GIF", "WEBP") else 1)
    assert show_picture(data, "A dot", page, target, {})
    for length in {0, 1, 8, 60, *range(9, len(data), 7), len(data) - 1}:
        if length < len(data):
            with pytest.raises(ValueError, match="is damaged"):
                show_picture(data[:length], "A dot", page, target, {})


def test_the_kind_of_a_picture_is_what_it_is_not_what_it_is_called(page_and_site, site):
    page, target = page_and_site
    assert ".jpg" in show_picture(site.picture("JPEG"), "A dot", page, target, {})
    for data in (
        b"<html><body>Not found</body></html>",
        b"<!DOCTYPE html><p>a",
        site.picture("BMP"),
        b"version https://git-lfs",
    ):
        with pytest.raises(ValueError, match="is damaged"):
            show_picture(data, "A dot", page, target, {})


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject/>",
        '<g onload="x()"/>',
        '<a href="javascript:x()"/>',
        '<image href="https://example.org/a.png"/>',
        '<b xmlns="http://www.w3.org/1999/xhtml">b</b>',
        "<g>",
        "<style>@import 'a.css'</style>",
        '<g fill="url(https://example.org/a.svg#b)"/>',
        '<g style="fill: u\\72l(a.svg)"/>',
        "<?xml-stylesheet href='a.css'?>",
    ],
)
def test_a_drawing_is_shapes_and_text(page_and_site, inside):
    page, target = page_and_site
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3 5">{}</svg>'
    drawn = show_picture(
        svg.format('<g id="a" fill="url(#b)"/><use href="#a"/><style>*{{stroke: red}}</style>').encode(),
        "A box",
        page,
        target,
        {"width": "30"},
    )
    assert 'width="30"' in drawn and "height" not in drawn
    with pytest.raises(ValueError, match="is damaged"):
        show_picture(svg.format(inside).encode(), "A box", page, target, {})
