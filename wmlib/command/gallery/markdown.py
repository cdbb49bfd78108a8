r"""Markdown and the text of HTML for the gallery: GitHub's dialect, read by markdown-it, with formulas as MathML.

Reading guide: `markdown_to_html` and `set_formulas` are the doors. `_formula_at` says what a formula is; the parser asks it
wherever it meets a dollar or a backslash outside code. Formulas bind tighter than blocks and borders, as in JupyterLab:
`_keep_whole` lets a paragraph go on through a formula whose lines look like a list, `_table` keeps a formula's bars in a cell.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from html import unescape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, lheading, paragraph
from markdown_it.rules_block.table import escapedSplit, getLine, table
from markdown_it.rules_inline import StateInline, html_inline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from wmlib.command.gallery.formula import to_mathml
from wmlib.command.gallery.page import Page

_CLOSING = {"$$": "$$", r"\\[": r"\\]", r"\\(": r"\\)", "$": "$"}
_MARKS = re.compile(r"\\\\[])]|\\.|\$\$|[${}]|\n[ \t]*\n", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\begin\{([A-Za-z]+\*?)\}.*?\\end\{\1\}", re.DOTALL)
_CODE = re.compile(r"<(/?)(?:code|kbd|pre|samp|script|style|textarea|tt)\b", re.IGNORECASE)
_RULE = re.compile(r"(?=.*\|)\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?")  # the line between a table's heading and its rows
_HIDDEN = "\0"  # stands for a bar while a table is read; markdown-it lets no such character in


def markdown_to_html(source: str, page: Page) -> str:
    r"""Convert the text of one cell or output; what it says in HTML is still to be checked.

    Args:
        source: Markdown, with formulas in `$`, `$$`, `\\( \\)`, `\\[ \\]` or a LaTeX environment.
        page: takes the problems.
    """
    return _MARKDOWN.render(source, {"page": page})


def set_formulas(html: str, page: Page) -> str:
    """Convert the formulas in the text of some HTML, outside `<pre>` and `<code>`."""
    return _HTML.renderInline(html, {"page": page, "html": True}) if re.search(r"[$\\]", html) else html


def _formula_at(source: str, start: int) -> tuple[int, str, bool] | None:
    """Return where the formula that begins here ends, its TeX, and whether it is a display; None if none begins."""
    if environment := _ENVIRONMENT.match(source, start):
        return environment.end(), environment[0], True
    opening = next((mark for mark in _CLOSING if source.startswith(mark, start)), None)
    if opening is None:
        return None
    last = _closing(source, start + len(opening), _CLOSING[opening])
    tex = source[start + len(opening) : last]
    end = last + len(opening)
    if last < 0 or not tex.strip():
        return None
    if opening == "$" and _is_money(source[max(0, start - 9) : start], tex, source[end : end + 9]):
        return None
    return end, tex, opening in ("$$", r"\\[")


def _closing(source: str, start: int, mark: str) -> int:
    """Return the place of the first closing mark outside braces, or else within; -1 if an empty line or nothing comes first."""
    depth = 0
    within = -1
    for found in _MARKS.finditer(source, start):
        if found[0][0] == "\n":
            break
        if found[0] == mark and depth <= 0:
            return found.start()
        if found[0] == mark and within < 0:
            within = found.start()
        depth += (found[0] == "{") - (found[0] == "}")
    return within


def _is_money(before: str, tex: str, after: str) -> bool:
    """Return whether two dollars stand for amounts or variables and what is between them is text.

    Example:
        >>> [_is_money(*text.split("$")) for text in ("for $5 or $6", "for 5 $ or 6 $.", "$HOME and $PATH", "for $ x^2 $.")]
        [True, True, True, False]
    """
    if after[:1].isdigit() or (tex[0].isspace() and after.lstrip()[:1].isdigit()):
        return True
    if tex[-1].isspace() and tex[0].isdigit():
        return True
    if (tex[-1].isspace() or tex[-1] in "/:=") and (after[:1].isalnum() or after[:1] in ("(", "{")):
        return True
    if tex[0].isspace() and before[-1:].isalnum():
        return True
    number_before = before.rstrip()[-1:].isdigit()
    return number_before and (tex[0].isspace() or tex[0] in ",.;:!?)/" or (tex[0] == "-" and before[-1:].isdigit()))


# --- rules for the parser


def _formula(state: StateInline, silent: bool) -> bool:
    """Read one formula of running text."""
    tokens, in_code = state.env.get("code", (None, False))
    if state.src[state.pos] not in "$\\" or (in_code and tokens is state.tokens):
        return False
    if "html" in state.env and state.src.startswith(r"\$", state.pos):
        state.pending += "$"
        state.pos += 2
        return True
    found = _formula_at(state.src, state.pos)
    if found is None or found[0] > state.posMax or ("html" in state.env and re.search("<[a-zA-Z/!]", found[1])):
        return False
    end, tex, display = found
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = unescape(tex) if "html" in state.env else tex
        token.meta = {"display": display}
        state.env.setdefault("formulas", []).append((state.pos, end))
    state.pos = end
    return True


def _tag(state: StateInline, silent: bool) -> bool:
    """Read one tag of HTML; remember whether code follows."""
    found = html_inline(state, silent)
    if found and not silent and (code := _CODE.match(state.tokens[-1].content)):
        state.env["code"] = (state.tokens, not code[1])
    return found


def _formulas(state: StateBlock, text: str) -> list[tuple[int, int]]:
    """Return where the formulas of a text begin and end."""
    found: dict = {}
    state.md.inline.parse(text, state.md, found, [])
    return found.get("formulas", [])


def _keep_whole(rule: Callable[[StateBlock, int, int, bool], bool]) -> Callable[[StateBlock, int, int, bool], bool]:
    """Return the rule of a paragraph or an underlined heading that ends at no line within a formula."""

    def read(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        stop = start
        while stop < end and not state.isEmpty(stop) and state.sCount[stop] >= state.blkIndent:
            if state.src.startswith(("```", "~~~"), state.bMarks[stop] + state.tShift[stop]):
                break
            stop += 1
        text = state.getLines(start, stop, state.blkIndent, False)
        indents = state.sCount
        state.sCount = list(indents)
        for first, last in _formulas(state, text):
            if text[first] == "$" != text[first + 1] and not re.search(r"[\\^_=+]", text[first:last]):
                continue  # "in $:", then a list of amounts
            for line in range(text.count("\n", 0, first) + 1, text.count("\n", 0, last) + 1):
                state.sCount[start + line] = state.blkIndent + 4  # nothing that far to the right ends a paragraph
        try:
            found = rule(state, start, end, silent)
        finally:
            state.sCount = indents
        if found and not silent:
            _name_lost_table(state, state.tokens[-2].content)
        return found

    return read


def _name_lost_table(state: StateBlock, text: str) -> None:
    """Note a table that is read as a paragraph: nothing below its heading, or not one rule a column."""
    for first, last in reversed(_formulas(state, text)):
        text = text[:first] + text[last:]
    lines = [line.strip() for line in text.split("\n")]
    for heading, below in itertools.pairwise(lines):
        rows = all(len(line) > 1 and line[0] == line[-1] == "|" for line in (heading, below))
        if rows or ("|" in heading and _RULE.fullmatch(below)):
            columns = len(_cells(heading))
            state.env["page"].problem(
                f"a table is read as text: below its heading {heading!r} comes {below!r}, not {'|---' * columns}|"
            )
            return


def _cells(row: str) -> list[str]:
    """Return the cells of a table's row."""
    return escapedSplit(re.sub(r"^\||(?<!\\)\|$", "", row.strip()))


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a table with the bars of formulas hidden; note what would be dropped from it."""
    if start + 1 >= end or "|" not in getLine(state, start) or not _RULE.fullmatch(getLine(state, start + 1).strip()):
        return False
    lines = range(start, next((line for line in range(start, end) if state.isEmpty(line)), end))
    source = state.src
    for line in lines:
        row = getLine(state, line)
        place = state.bMarks[line] + state.tShift[line]
        for first, last in _formulas(state, row):
            hidden = row[first:last].replace("|", _HIDDEN)
            state.src = state.src[: place + first] + hidden + state.src[place + last :]
    cells = [len(_cells(getLine(state, line))) for line in lines]
    before = len(state.tokens)
    found = table(state, start, end, silent)
    state.src = source
    for token in state.tokens[before:]:
        token.content = token.content.replace(_HIDDEN, "|")
    for line, count in zip(lines, cells, strict=True):
        if found and line < state.line and count > cells[0]:
            state.env["page"].problem(
                f"a table has {cells[0]} cells in its heading and {count} in the row {getLine(state, line)!r}; "
                r"a bar that is no border is written \|"
            )
    return found


def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """Return the parser of Markdown, and one that sees only formulas in HTML."""
    markdown = MarkdownIt("commonmark", {"tasklists": True, "maxNesting": 100}, renderer_cls=_Renderer)
    markdown.enable(["strikethrough", "table"]).use(gfm_autolink_plugin)
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # read as links, and refused by name later
    markdown.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    markdown.block.ruler.at("lheading", _keep_whole(lheading))
    markdown.block.ruler.at("paragraph", _keep_whole(paragraph))
    html = MarkdownIt("zero", {"html": True}, renderer_cls=_Renderer).enable(["entity", "html_inline"])
    for parser in (markdown, html):
        parser.inline.ruler.before("escape", "formula", _formula)
        parser.inline.ruler.at("html_inline", _tag)
    return markdown, html


class _Renderer(RendererHTML):
    """The HTML of each token, where markdown-it's own does not serve."""

    def formula(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        display = tokens[idx].meta["display"]
        try:
            math = to_mathml(tokens[idx].content, display)
        except ValueError as error:
            return env["page"].problem(str(error))
        return f'<span class="formula">{math}</span>' if display else math

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return set_formulas(tokens[idx].content, env["page"])

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        try:
            lexer = get_lexer_by_name(tokens[idx].info.split()[0])
        except (ClassNotFound, IndexError):
            return super().fence(tokens, idx, options, env)
        return highlight(tokens[idx].content, lexer, HtmlFormatter())

    def list_item_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        box = {None: "", True: "☑ ", False: "☐ "}[tokens[idx].meta.get("checked")]
        return self.renderToken(tokens, idx, options, env) + box

    def renderInlineAsText(self, tokens: Sequence[Token] | None, options: OptionsDict, env: EnvType) -> str:
        """Return the alt text of a picture; formulas stay TeX in it."""
        plain = [Token("text", "", 0, content=token.content) if token.type == "formula" else token for token in tokens or []]
        return super().renderInlineAsText(plain, options, env)


_MARKDOWN, _HTML = _parsers()
