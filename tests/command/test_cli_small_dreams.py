"""`python -m wmlib web` writes the page of the two small dreams beside the other one."""

from wmlib.command.cli import _dreams, main
from wmlib.command.gallery import SMALL_DREAMS
from wmlib.viz.web import SMALL_PAGE, published


def test_both_pages_are_written_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(published, "published_page", lambda load: "<p>a dream</p>")
    assert main(["web", "--page", str(tmp_path / "new/dream.html")]) == 0
    page = (tmp_path / "new" / SMALL_PAGE).read_text(encoding="utf-8")
    assert "<h1>Two small dreams</h1>" in page and ".html" not in page  # where it lies there is no notebook to link to
    assert f"small dreams: {tmp_path / 'new' / SMALL_PAGE} (" in capsys.readouterr().out


def test_neither_page_overwrites_the_other(tmp_path, capsys):
    assert main(["web", "--page", str(tmp_path / SMALL_PAGE)]) == 2
    assert "allowed is another name, as small_dreams.html is written beside it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_gallery_gets_it_where_the_notebook_was_executed(tmp_path):
    assert _dreams(tmp_path) == {}
    (tmp_path / f"{SMALL_DREAMS}.ipynb").touch()
    assert f'<a href="{SMALL_DREAMS}.html">notebook 07</a>' in _dreams(tmp_path)[SMALL_DREAMS]
