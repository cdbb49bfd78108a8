"""A page and its pictures: files beside the pages, their sizes, and animations that can stand still."""

import pytest
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
    assert (
        site.find("../LICENSE") == tmp_path / "project/LICENSE" and site.find("a.csv") == tmp_path / "project/notebooks/a.csv"
    )
    assert site.find("../figures/01_good/b.png") == tmp_path / "project/figures/01_good/b.png"
    assert site.find("../figures/01_good/c.png") == tmp_path / "run/01_good/c.png"
    assert site.find("gone.csv") is None and site.find("../notebooks") is None


def test_a_picture_is_one_file_however_often_it_is_shown(page_and_site, site):
    page, target = page_and_site
    data = site.picture(size=(40, 30))
    first = show_picture(data, ".png", 'A "dot" & <more>', page, target, width=20)
    assert first.startswith('<img src="pictures/01_good-') and 'width="20" height="15"' in first
    assert 'alt="A &quot;dot&quot; &amp; &lt;more&gt;"' in first
    assert 'width="40" height="30"' in show_picture(data, ".png", "A dot", page, target)
    (file,) = (target.folder / "pictures").iterdir()
    assert file.read_bytes() == data and page.problems == []


def test_a_damaged_picture_is_noted_and_shown_as_nothing(page_and_site):
    page, target = page_and_site
    assert show_picture(b"no picture", ".png", "A dot", page, target) == ""
    assert page.problems == ["a picture (.png, 10 bytes) is damaged: A dot"]
    svg = show_picture(b"<svg/>", ".svg", "A box", page, target)  # no sizes are read from a drawing
    assert "width" not in svg and len(page.problems) == 1
