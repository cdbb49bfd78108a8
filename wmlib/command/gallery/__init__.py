"""The gallery: executed notebooks as a small static site that opens from the disk, without any network.

Reading guide: `build_gallery` reads the executed copies and their `results.json`, makes a `Page` of each (`cells.py`: HTML
of the cells, with `formula.py` for mathematics; `review.py`: headings, links, pictures), fills the templates beside this
file in a temporary folder, and renames that folder into place when all is well.
"""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wmlib.command.claims import claims_table
from wmlib.command.gallery.page import Page, Site, show_picture
from wmlib.experiment import paths, results
from wmlib.viz.web import DREAM_PAGE, SMALL_PAGE

if TYPE_CHECKING:
    from nbformat import NotebookNode

TITLE = "World models with a Differentiable Neural Computer"
LEAD = (
    "A companion to Adeel Mufti's work that runs. Every figure, number and verdict on these pages was computed by the "
    "notebook it stands in; nothing was typed in afterwards."
)
DREAM = "05_vizdoom_dream"  # the notebook whose dream is a page of its own
SMALL_DREAMS = "07_neural_computer_agent"  # the notebook whose two small dreams are one
_TEMPLATES = Path(__file__).parent


class Link(NamedTuple):
    """Name a page of its own and say what its link says."""

    file: str
    words: str
    rest: str  # of the sentence


LINKS = {
    DREAM: Link(
        DREAM_PAGE,
        "Play in a dream",
        "the world model of notebook 05 runs in one page. Dodge its fireballs, and reach into its memory.",
    ),
    SMALL_DREAMS: Link(
        SMALL_PAGE,
        "Swap two memories",
        "two small models of notebook 07 run in one page. Swap two slots of a DNC by hand and see two doors swap; walk in a "
        "dream beside the true grid.",
    ),
}


def build_gallery(executed: Path, figures: Path, out: Path, inside: str = "", dreams: Mapping[str, str] | None = None) -> Path:
    """Write a static site from executed notebooks: an index with the table of claims and one card each, and one page each.

    A notebook with an error output is shown as failed, one without `results.json` as not run yet. All faults of all
    notebooks (formulas that cannot be shown, pictures without alt text, dead links, anything a browser would fetch)
    are collected into one error, and nothing is written then.

    Args:
        executed: folder with the executed copies, `NN_name.ipynb`.
        figures: folder with `NN_name/results.json` and the pictures it names. Relative links in the notebooks are read
            as from the project's folder `notebooks`, where the sources are.
        out: folder of the site; replaced if it holds an earlier gallery.
        inside: the folder in `NN_name` that holds them: "study" for those of the study run.
        dreams: pages of their own, HTML, by the notebook of `LINKS` that they belong to; the index and the notebook's page
            link to them. None: there are none.

    Returns:
        Path: `out / "index.html"`.

    Raises:
        ValueError: no executed notebooks; `out` holds something else; a `results.json` is damaged; or the list of faults.
        ModuleNotFoundError: the extra `notebooks` is not installed.
    """
    try:
        import nbformat

        import wmlib.command.gallery.cells
        import wmlib.command.gallery.review  # noqa: F401
        from wmlib.command.gallery.markdown import markdown_to_html
        from wmlib.command.gallery.markup import admit
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the gallery needs {error.name}: pip install -e '.[notebooks]'") from error
    executed = Path(executed)
    figures = Path(figures)
    out = Path(out)
    notebooks = sorted(path for path in executed.glob("*.ipynb") if re.fullmatch(r"\d\d_\w+", path.stem))
    if not notebooks:
        raise ValueError(f"executed: no notebooks named NN_name.ipynb in {executed}; run ./run_all.sh first")
    if out.exists() and not _is_gallery(out):
        raise ValueError(f"out: {out} holds something that is not a gallery; name another folder or remove it")
    contents = []
    for path in notebooks:
        stored = figures / path.stem / inside / "results.json"
        record = results.read(stored) if stored.exists() else None
        try:
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
            nbformat.writes(notebook).encode()  # JSON may hold half a character
        except Exception as error:  # nbformat stumbles over damage in a dozen ways
            reason = str(error).strip().partition("\n")[0][:200]
            raise ValueError(f"executed: {path} is not a notebook ({reason}); run it again") from error
        contents.append((path.stem, notebook, record))

    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        site = Site(folder, paths.root(), figures, [path.stem for path in notebooks], inside)
        pages = [_build_page(name, notebook, record, site) for name, notebook, record in contents]
        index = Page("index", None)
        index.body = admit(markdown_to_html(claims_table(figures, "{}.ipynb"), index), index, site, attachments={})
        _check([*pages, index])
        _write(pages, index, folder, dreams or {})
        folder.chmod(0o755)  # mkdtemp makes it private
        _swap(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out / "index.html"


def _build_page(name: str, notebook: "NotebookNode", record: dict[str, Any] | None, site: Site) -> Page:
    """Make the page of one executed notebook; `record` is its results.json, if there is one."""
    from wmlib.command.gallery.cells import export_cells
    from wmlib.command.gallery.review import review

    page = Page(name, record, state="ran" if record else "not run yet")
    for cell in reversed(notebook.cells):
        for error in cell.get("outputs", []):
            if error.output_type == "error":
                reason = error.evalue.strip().split("\n")[0][:200]
                page.state = "failed"
                page.failure = f"Cell [{cell.execution_count}]: {error.ename}: {reason}"
    review(export_cells(notebook, page, site), page)
    if page.state == "ran" and record is not None and record["figures"]:
        page.hero = _hero(page, site, record["figures"][0])
    return page


def _hero(page: Page, site: Site, figure: dict[str, Any]) -> str:
    """Return the HTML of the picture on a page's card."""
    path = site.figure(page.name, figure["file"])
    if path is None:
        return page.problem(f"results.json names the figure {figure['file']}, which is not beside it")
    try:
        html = show_picture(path.read_bytes(), figure["alt"], page, site, {})
    except ValueError as error:
        return page.problem(f"the figure {figure['file']} {error}")
    return html.partition('<a class="motion"')[0]  # the whole card is a link already


def _is_gallery(folder: Path) -> bool:
    """Return whether a folder may be replaced: an earlier gallery, or empty."""
    index = folder / "index.html"
    if index.is_file():
        return 'content="wmlib gallery"' in index.read_text(encoding="utf-8", errors="replace")
    return folder.is_dir() and not any(folder.iterdir())


def _check(pages: list[Page]) -> None:
    """Raise one error with every fault of every page."""
    ids = {page.name: page.ids for page in pages}
    for page in pages:
        for name, fragment in page.crossings:
            if fragment not in ids[name]:
                there = f"{name}.ipynb" if name != page.name else ""
                page.problem(f"the link to {there}#{fragment} has no such heading there")
    faults = [f"  {page.name}: {problem}" for page in pages for problem in page.problems]
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ValueError("\n".join([f"the gallery was not written: {count} in the notebooks", *faults]))


def _write(pages: list[Page], index: Page, folder: Path, dreams: Mapping[str, str]) -> None:
    """Write all pages and the style sheet."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["duration"] = _duration
    environment.globals.update(site_title=TITLE, site_lead=LEAD, links={name: LINKS[name] for name in dreams})
    for page in pages:
        page.heading = Markup(page.heading)
        page.body = Markup(page.body)
        page.hero = Markup(page.hero)
        page.contents = [(level, id, Markup(text)) for level, id, text in page.contents]
    for before, page, after in zip([None, *pages[:-1]], pages, [*pages[1:], None], strict=True):
        html = environment.get_template("page.html.j2").render(page=page, before=before, after=after)
        (folder / f"{page.name}.html").write_text(html, encoding="utf-8")
    html = environment.get_template("index.html.j2").render(pages=pages, claims=Markup(index.body), summary=_summary(pages))
    (folder / "index.html").write_text(html, encoding="utf-8")
    shutil.copyfile(_TEMPLATES / "style.css", folder / "style.css")
    for name, dream in dreams.items():
        (folder / LINKS[name].file).write_text(dream, encoding="utf-8")


def _summary(pages: list[Page]) -> list[str]:
    """Return the line under the title: how many notebooks ran, and how long they took."""
    ran = [page.results for page in pages if page.state == "ran" and page.results is not None]
    count = "1 notebook" if len(pages) == 1 else f"{len(pages)} notebooks"
    texts = [count if len(ran) == len(pages) else f"{len(ran)} of {count} ran"]
    if ran:
        texts.append(f"{_duration(sum(record['from_scratch_s'] for record in ran))} of computing")
    return texts


def _duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> _duration(8.25), _duration(83.2), _duration(7260)
        ('8 s', '1 min 23 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _swap(folder: Path, out: Path) -> None:
    """Put the finished folder in the place of the old one."""
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent)) / "gallery"
        out.rename(old)
        folder.rename(out)
        shutil.rmtree(old.parent)
    else:
        folder.rename(out)
