"""The cells of one notebook as HTML.

Reading guide: `export_cells` is the door. nbconvert walks the cells with the template `cells.html.j2`; `_Markdown` turns
formulas to MathML; `_Cells` shows each output in the best of its forms, pictures as files beside the pages.
"""

import base64
import re
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets.config import Config

from wmlib.command.gallery.formula import to_mathml
from wmlib.command.gallery.page import Page, Site, show_picture
from wmlib.experiment.progress import PROGRESS_KEY

_TEMPLATES = Path(__file__).parent
_SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/svg+xml": ".svg", "image/gif": ".gif"}
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


class _Markdown(IPythonRenderer):
    """Markdown with formulas as MathML."""

    def __init__(self, page: Page, attachments: dict[str, Any]):
        super().__init__(escape=False, exclude_anchor_links=True, attachments=attachments)
        self._page = page

    def inline_math(self, body: str) -> str:
        return self._formula(body, display=False)

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{self._formula(body, display=True)}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")

    def _formula(self, tex: str, display: bool) -> str:
        try:
            return to_mathml(tex, display)
        except ValueError as error:
            return self._page.problem(str(error))


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
        renderer = _Markdown(self._page, attachments)
        try:
            return MarkdownWithMath(renderer=renderer).render(_protect_bars(source))
        except InvalidNotebook as error:
            return self._page.problem(str(error))

    def _show_data(self, output: NotebookNode) -> str:
        """Return the HTML of one output, in the best of the forms it comes in."""
        kind = next((kind for kind in _KINDS if kind in output.data), None)
        if kind is None:
            return self._page.problem(f"an output comes only as {', '.join(output.data) or 'nothing'}: show a picture instead")
        if kind.startswith("image/"):
            return self._picture(output, kind)
        content = output.data[kind]
        if kind == "text/html":
            return f'<div class="html">{content}</div>'
        if kind == "text/plain":
            style = "stdout" if PROGRESS_KEY in output.metadata else "plain"
            return f'<pre class="{style}">{escape(strip_ansi(content))}</pre>'
        return f'<div class="markdown">{self._markdown(content, {})}</div>'

    def _picture(self, output: NotebookNode, kind: str) -> str:
        metadata = output.metadata.get(kind, {})
        alt = metadata.get("alt", "").strip()
        if not alt:
            text = " ".join(output.data.get("text/plain", "").split())[:60]
            return self._page.problem(f"an {kind} output has no alt text in its metadata: {text}")
        raw = output.data[kind]
        data = raw.encode() if kind == "image/svg+xml" else base64.b64decode(raw)
        html = show_picture(data, _SUFFIX[kind], alt, self._page, self._site, metadata.get("width", 0))
        return f"<figure>{html}</figure>"


def _protect_bars(source: str) -> str:
    r"""Keep `|` and `\|` of formulas from being read as cell borders of a Markdown table, as JupyterLab does."""

    def protect(match: re.Match[str]) -> str:
        return match[0].replace(r"\|", r"\Vert ").replace("|", r"\vert ")

    lines = source.split("\n")
    for index, line in enumerate(lines):
        if line.lstrip().startswith("|"):
            lines[index] = re.sub(r"(?<![\\$])\$[^$]+\$", protect, line)
    return "\n".join(lines)
