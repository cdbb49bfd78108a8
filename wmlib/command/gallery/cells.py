"""The cells of one notebook as HTML.

Reading guide: `export_cells` is the door. nbconvert walks the cells with the template `cells.html.j2`; `_Cells` shows Markdown
(`markdown.py`) and each output in the best of its forms, HTML as far as `markup.py` admits it, pictures as files.
"""

from html import escape
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets.config import Config

from wmlib.command.gallery.markdown import markdown_to_html
from wmlib.command.gallery.markup import admit
from wmlib.command.gallery.page import Page, Site, decode_base64, show_picture
from wmlib.experiment.progress import PROGRESS_KEY

_TEMPLATES = Path(__file__).parent
_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGET_NOTE = '<p class="note">Sliders here: open the notebook in JupyterLab to move them.</p>'
# the forms an output may come in, best first; there is no JavaScript among them
_KINDS = ["image/gif", "text/html", "text/markdown", "text/latex", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]


def export_cells(notebook: NotebookNode, page: Page, site: Site) -> str:
    """Return the HTML of a notebook's cells and write their pictures.

    Args:
        notebook: the executed copy; it is changed.
        page: takes the problems.
        site: takes the pictures.

    Returns:
        The cells one after the other, without a page around them.
    """
    notebook.cells = [cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        _replace_widgets(cell)
    html, _ = _Cells(page, site).from_notebook_node(notebook)
    return html


def _replace_widgets(cell: NotebookNode) -> None:
    """Put one line in the place of a cell's widgets: without a kernel they would be dead."""
    outputs = cell.get("outputs", [])
    alive = [output for output in outputs if _WIDGET not in output.get("data", {})]
    if len(alive) < len(outputs):
        cell.outputs = [*alive, new_output("display_data", data={"text/html": _WIDGET_NOTE})]


class _Cells(HTMLExporter):
    """nbconvert's exporter with our template, our Markdown, and pictures as files."""

    def __init__(self, page: Page, site: Site):
        config = Config()
        config.CoalesceStreamsPreprocessor.enabled = True  # joins the pieces, keeps a progress line's last state
        super().__init__(
            config=config, template_name="base", template_file="cells.html.j2", extra_template_paths=[str(_TEMPLATES)]
        )
        self._page = page
        self._site = site
        self.register_filter("show_data", self._show_data)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Replace nbconvert's filter of this name."""
        return self._markdown(source, context.get("cell", {}).get("attachments", {}))

    def _markdown(self, source: str, attachments: dict[str, Any]) -> str:
        return admit(markdown_to_html(source, self._page), self._page, self._site, attachments)

    def _show_data(self, output: NotebookNode) -> str:
        """Return the HTML of one output, in the best of the forms it comes in."""
        kind = next((kind for kind in _KINDS if kind in output.data), None)
        if kind is None:
            return self._page.problem(f"an output comes only as {', '.join(output.data) or 'nothing'}: show a picture instead")
        if kind.startswith("image/"):
            return self._picture(output, kind)
        content = output.data[kind]
        if kind == "text/html":
            return f'<div class="html">{admit(content, self._page, self._site)}</div>'
        if kind == "text/plain":
            style = "stdout" if PROGRESS_KEY in output.metadata else "plain"
            return f'<pre class="{style}">{escape(strip_ansi(content))}</pre>'
        return f'<div class="markdown">{self._markdown(content, {})}</div>'

    def _picture(self, output: NotebookNode, kind: str) -> str:
        metadata = output.metadata.get(kind)
        metadata = metadata if isinstance(metadata, dict) else {}
        alt = metadata.get("alt")
        if not isinstance(alt, str) or not alt.strip():
            text = " ".join(output.data.get("text/plain", "").split())[:60]
            return self._page.problem(f"an {kind} output has no alt text in its metadata: {text}")
        raw = output.data[kind]
        data = raw.encode() if kind == "image/svg+xml" else decode_base64(raw)
        size = {side: str(metadata[side]) for side in ("width", "height") if metadata.get(side)}
        try:
            return f"<figure>{show_picture(data, alt, self._page, self._site, size)}</figure>"
        except ValueError as error:
            return self._page.problem(f"an {kind} output {error}: {alt[:60]}")
