"""The page of the two small dreams in the gallery: beside the others, and linked from the index and from its notebook."""

from wmlib.command import gallery
from wmlib.command.gallery import SMALL_DREAMS, build_gallery
from wmlib.viz.web import SMALL_PAGE


def test_small_dreams_are_linked_from_the_index_and_from_their_notebook(site):
    for name in ("01_good", SMALL_DREAMS):
        site.add(name, "## Text", title=name)
    build_gallery(site.executed, site.root / "figures", site.out, dreams={SMALL_DREAMS: "<p>two dreams</p>"})
    assert (site.out / SMALL_PAGE).read_text(encoding="utf-8") == "<p>two dreams</p>"
    for page in ("index", SMALL_DREAMS):
        assert site.page(page).find("a", href=SMALL_PAGE).get_text()
    assert site.page("01_good").find("a", href=SMALL_PAGE) is None


def test_without_them_nothing_is_linked(site):
    site.add(SMALL_DREAMS, "## Text", title="Seven")
    build_gallery(site.executed, site.root / "figures", site.out)
    assert not (site.out / SMALL_PAGE).exists()
    assert all(site.page(page).find("a", href=SMALL_PAGE) is None for page in ("index", SMALL_DREAMS))


def test_the_names_are_those_of_notebooks():
    assert all((gallery.paths.notebooks() / f"{name}.ipynb").is_file() for name in gallery.LINKS)
