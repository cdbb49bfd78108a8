"""The gallery as a whole: pages that open from the disk, complete and readable, or one error that names every fault."""

import itertools
import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from wmlib.command import gallery
from wmlib.command.gallery import build_gallery


def test_each_notebook_has_a_card_with_what_became_of_it(everything):
    index = everything.page("index")
    cards = [" ".join(card.get_text(" ").split()) for card in index.find_all("article")]
    assert len(cards) == 4
    for text in ("One · λ", "99 of 100 seeds succeed", "quick profile", "1 min 23 s"):
        assert text in cards[0]
    assert "not run yet" in cards[2]
    assert "failed Cell [3]: KeyError: 'x'" in cards[3] and "more" not in cards[3] and "99 of" not in cards[3]
    hero = index.article.img
    assert hero["alt"] == "Success rises to one, quickly" and (everything.out / hero["src"]).is_file()
    assert [a["href"] for a in index.select("article h2 a")] == [
        "01_good.html",
        "02_other.html",
        "03_third.html",
        "04_bad.html#failed",
    ]
    summary = index.find(class_="opening").get_text()
    assert "2 of 4 notebooks ran" in summary and "2 min 46 s" in summary


def test_the_table_of_claims_opens_the_gallery(everything):
    index = everything.page("index")
    table = index.find("table")
    assert table.find_next("article") is index.article  # before the first card
    rows = [" ".join(row.get_text(" ").split()) for row in table.find_all("tr")]
    assert len(rows) == 5 and "undecided : no study run yet" in rows[1]
    assert "It is reproduced. (ours)" in rows[1] and "quick: 0.95 [0.888, 0.978], n = 100" in rows[1]
    assert table.a["href"] == "01_good.html"


def test_a_dream_is_linked_from_the_index_and_from_its_notebook(site):
    site.add("01_good", "A text.")
    site.add("05_vizdoom_dream", "A text.", stored=False)
    build_gallery(site.executed, site.root / "figures", site.out, dreams={"05_vizdoom_dream": "<p>a dream</p>"})
    assert (site.out / "dream.html").read_text() == "<p>a dream</p>"
    linked = {name for name in ("index", "01_good", "05_vizdoom_dream") if site.page(name).find("a", href="dream.html")}
    assert linked == {"index", "05_vizdoom_dream"}
    site.build()
    assert not (site.out / "dream.html").exists() and not site.page("index").find("a", href="dream.html")


def test_pages_lead_to_their_neighbours(everything):
    assert everything.page("01_good").find(rel="prev") is None
    assert everything.page("02_other").find(rel="prev")["href"] == "01_good.html"
    assert everything.page("02_other").find(rel="next")["href"] == "03_third.html"


def test_a_failed_run_shows_where_it_stopped_without_terminal_codes(everything):
    page = everything.page("04_bad")
    assert "KeyError: 'x'" in page.find(class_="alert").get_text()
    assert page.find(id="failed").get_text() == "KeyError: 'x'"


def test_a_browser_fetches_nothing_but_files_of_the_gallery(everything):
    for name, page in everything.pages():
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
    pages = dict(everything.pages())
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme:
                continue
            assert (everything.out / (url.path or name)).exists(), (name, link)
            if url.fragment:
                assert pages[url.path or name].find(id=unquote(url.fragment)), (name, link)


def test_pages_can_be_read_with_keyboard_and_ears(everything):
    for name, page in everything.pages():
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


def test_all_faults_are_named_at_once_and_nothing_is_left(site):
    site.add("01_good", "Wrong: $\\oops{x}$ and $\\frac{a$.")
    site.add("02_other", site.code(site.shows({"image/png": site.picture(), "text/plain": "Figure(640x480)"})))
    with pytest.raises(ValueError) as caught:
        site.build()
    message = str(caught.value)
    assert "3 faults" in message
    assert "01_good: formula \\oops{x}: unknown command \\oops" in message
    assert "01_good: formula \\frac{a: 1 opening and 0 closing braces" in message
    assert "02_other: an image/png output has no alt text in its metadata: Figure(640x480)" in message
    assert not site.out.exists() and not list(site.out.parent.iterdir())


def test_building_again_gives_the_same_bytes_and_leaves_nothing_old(site):
    site.fill()
    before = {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()}
    (site.out / "old.html").touch()
    assert site.build() == site.out / "index.html"
    assert {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()} == before
    site.add("05_new", "$\\oops$")
    with pytest.raises(ValueError, match="05_new"):
        site.build()  # the old gallery stays as it was
    assert {file: file.read_bytes() for file in site.out.rglob("*") if file.is_file()} == before
    assert list(site.out.parent.iterdir()) == [site.out]


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
    stored.write_text(json.dumps(record | {"schema": 1}))
    with pytest.raises(ValueError, match=re.escape(str(stored))):
        site.build()
    stored.write_text(json.dumps(record))
    (site.root / "figures/01_good/hero.png").unlink()
    with pytest.raises(ValueError, match=r"01_good: results.json names the figure hero.png, which is not beside it"):
        site.build()
    for text in ("{", "[]", "null", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "[" * 100_000):
        (site.executed / "02_other.ipynb").write_text(text)
        with pytest.raises(ValueError, match=r"02_other.ipynb is not a notebook"):
            site.build()


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_in_light_and_dark(theme, contrast):
    css = (Path(gallery.__file__).parent / "style.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[theme]))
    pairs = [(text, back) for text in ("ink", "quiet", "link") for back in ("paper", "raised", "sunk")]
    pairs += [(text, "sunk") for text in ("code", "keyword", "string", "number", "comment", "name")]
    pairs += [(text, f"{text}-bg") for text in ("good", "part", "bad")]
    for text, back in pairs:
        assert contrast(colors[text], colors[back]) >= 4.5, (text, back)
