r"""Formulas for the gallery: TeX in, MathML out, so that a page needs no script to show mathematics.

Reading guide: `to_mathml` is the door. `latex2mathml` does the parsing; what it lets through in silence (unknown commands,
`&` outside a table) `_check` turns into an error, and `_tidy` rewrites what current browsers (MathML Core) do not
understand: `mathvariant`, limits below "max", the spaces around function names, the two sides of `\lVert ... \rVert`.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from xml.etree.ElementTree import Element, tostring

from latex2mathml.commands import FUNCTIONS
from latex2mathml.converter import convert_to_element

_ENVIRONMENTS = {"align", "align*", "aligned", "split", "cases", "array", "matrix", "pmatrix", "bmatrix", "Bmatrix"}
_ENVIRONMENTS |= {"equation", "equation*"}
_FONTS = {"mathbf", "mathit", "mathrm", "mathcal", "mathbb", "mathsf", "mathtt", "mathfrak", "mathscr"}
_CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "mover": 2, "munder": 2, "mroot": 2, "msubsup": 3, "munderover": 3}
_FUNCTION_NAMES = {name.lstrip("\\") for name in FUNCTIONS}
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
_LIMITS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_ACCENTS = {"^": "ˆ", "~": "˜"} | {accent: accent for accent in "¯˙¨ˇ´→"}
_BIG = set("∑∏∐⋂⋃⨁⨂⋀⋁")
_LIMIT_NAMES = {"max", "min", "sup", "inf", "lim"}
_OPEN, _CLOSE = "⌊⌈⟨([{", "⌋⌉⟩)]}"
_ORDINARY = "∞∅⊤′″‴%#&$_…⋯"  # symbols without space around them
_TEXT_STYLES = {"bold": "font-weight:bold", "italic": "font-style:italic"} | {
    family: f"font-family:{family}" for family in ("monospace", "sans-serif")
}
_NEGATIVE = {"negativethinmathspace": "-0.167em", "negativemediummathspace": "-0.222em"}


def to_mathml(tex: str, display: bool = False) -> str:
    r"""Convert one TeX formula, without its dollar signs, to a MathML element.

    Args:
        tex: the formula; what `latex2mathml` knows, less what browsers cannot draw (boxes, strokes, rules in arrays),
            with the environments align, aligned, split, cases, array, matrix, pmatrix, bmatrix and equation.
            `\tag{...}` sets an equation number behind the formula.
        display: True for a formula on a line by itself.

    Returns:
        `<math>...</math>`.

    Raises:
        ValueError: the formula cannot be shown as written; says what is at fault.

    Example:
        >>> to_mathml(r"\frac{a}{2}")
        '<math display="inline"><mrow><mfrac><mrow><mi>a</mi></mrow><mrow><mn>2</mn></mrow></mfrac></mrow></math>'
        >>> to_mathml(r"\oops{a}")
        Traceback (most recent call last):
            ...
        ValueError: formula \oops{a}: unknown command \oops
    """
    try:
        _check_source(tex)
        try:
            math = convert_to_element(_prepare(tex), display="block" if display else "inline")
        except Exception as error:  # latex2mathml raises a dozen kinds, often without a message
            words = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__.removesuffix("Error")).lower()
            raise ValueError(f"{words} {error}".strip()) from error
        _check(math)
    except ValueError as error:
        raise ValueError(f"formula {tex.strip()[:100]}: {error}") from error
    del math.attrib["xmlns"]
    _tidy(math, sides=itertools.cycle(("prefix", "postfix")))
    return tostring(math, encoding="unicode", short_empty_elements=False)


def _check_source(tex: str) -> None:
    """Refuse what can be told from the text alone."""
    if not tex.strip():
        raise ValueError("it is empty")
    bare = tex.replace(r"\\", "").replace(r"\{", "").replace(r"\}", "")
    if bare.count("{") != bare.count("}"):
        raise ValueError(f"{bare.count('{')} opening and {bare.count('}')} closing braces")
    for name in re.findall(r"\\begin\s*\{([^}]*)\}", tex):
        if name not in _ENVIRONMENTS:
            raise ValueError(f"environment {name} is not supported; there are {', '.join(sorted(_ENVIRONMENTS))}")
    for name in re.findall(r"\\(math[a-z]+)", tex):
        if name not in _FONTS:
            raise ValueError(f"unknown command \\{name}; the fonts are {', '.join(sorted(_FONTS))}")


def _prepare(tex: str) -> str:
    """Rewrite what latex2mathml reads differently from MathJax, which shows the same notebook in JupyterLab."""
    tex = re.sub(r"\\(begin|end)\s*\{align(ed)?\}", r"\\\1{align*}", tex)  # MathJax in Jupyter numbers no rows
    tex = re.sub(r"\\operatorname\*\s*\{arg(?:\\,|\s|~)*(max|min)\s*\}", r"\\arg\1 ", tex)
    tex = re.sub(r"\\tag\*?\s*\{([^}]*)\}", r"\\qquad\\text{(\1)}", tex)
    tex = re.sub(r"(\\[bB]igg?[lrm]?\s*)\\(?:\||[lr]Vert)", r"\1‖", tex)
    tex = re.sub(r"(\\[bB]igg?[lrm]?\s*)\\[lr]vert", r"\1|", tex)
    tex = re.sub(r"\\\\\s*\[\s*-?[\d.]+\s*[a-z]{2}\s*\]", r"\\\\ ", tex)  # extra space between rows
    return tex.replace(":=", r"\coloneqq ")


def _check(math: Element) -> None:
    """Refuse what latex2mathml let through unconverted."""
    for element in math.iter():
        raw = element.text or ""
        if re.fullmatch(r"&#x0{0,3}[4-7][0-9A-Fa-f];", raw) and unescape(raw).isalpha():  # \mathrm{d}: upright
            element.set("mathvariant", "normal")
        if element.tag == "mtext":
            raw = re.sub(r"\\([#$%&_{}])", lambda match: f"&#{ord(match[1])};", raw)
        element.text = text = unescape(raw)
        if text.startswith("\\"):
            raise ValueError(f"unknown command {text}")
        if raw == "&":
            raise ValueError("& outside an environment")
        if "$" in raw:
            raise ValueError("a dollar sign within a formula")
        if "⧸" in text:
            raise ValueError(r"\not is not supported; there are \neq and \notin")
        if "linebreak" in element.attrib:
            raise ValueError(r"\\ outside an environment; use \begin{aligned}")
        if element.tag == "menclose":
            raise ValueError("browsers cannot draw boxes and strokes in formulas")
        if element.attrib.keys() & {"columnlines", "rowlines"}:
            raise ValueError("browsers cannot draw rules in arrays")
        if element.get("width", "").startswith("+"):
            raise ValueError(r"browsers cannot stretch arrows; write \overset{f}{\rightarrow}")
        if element.get("width", "0").startswith("*"):
            raise ValueError(r"a space that cannot be read; write \hspace{1em} or \quad")
        if element.tag == "mo" and (len(element) or not (text or element.get("fence"))):
            raise ValueError(r"an operator that cannot be read; write \operatorname{name} with plain letters")
        if element.tag in _CHILDREN and len(element) != _CHILDREN[element.tag]:
            raise ValueError(f"an argument is missing ({element.tag[1:]})")
    if not "".join(math.itertext()).strip():
        raise ValueError("nothing to show")


def _tidy(parent: Element, sides: Iterator[str], script: bool = False) -> None:
    """Rewrite the tree below `parent` in place for browsers, children after their parent's own rules."""
    _join_upright(parent)
    _group_fences(parent)
    for child in parent:
        _tidy_token(child, sides, script)
        if child.tag == "mtable" and child.get("columnspacing"):
            del child.attrib["columnspacing"]
            child.set("class", "aligned")
        if child.tag in ("mover", "munder") and child[1].text == "―":  # \overline, \underline: no font stretches this far
            side = "top" if child.tag == "mover" else "bottom"
            child.remove(child[1])
            child.tag = "mrow"
            child.attrib = {"style": f"border-{side}:.06em solid"}
        elif child.tag == "mover" and child[1].text in _ACCENTS:
            wide = child[1].text == "^" and "accent" not in child.attrib  # \widehat
            child.set("accent", "true")
            child[1].text = "^" if wide else _ACCENTS[child[1].text]
            child[1].attrib = {"stretchy": "true" if wide else "false"}
        if child.tag in _LIMITS and child[0].tag == "mo" and _takes_limits(child[0]):
            child.tag = _LIMITS[child.tag]
    for index, child in enumerate(parent):
        _tidy(child, sides, script or (parent.tag in _SCRIPTS and index > 0))
        lone = child.tag == "mrow" and len(child) == 1 and child[0].tag == "mo"
        if lone and parent.tag == "mrow":  # {,} and {=} are ordinary symbols in TeX
            child[0].set("lspace", "0")
            child[0].set("rspace", "0")
    _space_functions(parent)


def _takes_limits(operator: Element) -> bool:
    """Return whether an index belongs below: sums, and names such as max. The browser moves it aside in running text."""
    return operator.text in _BIG or operator.text in _LIMIT_NAMES or operator.get("movablelimits") == "true"


def _tidy_token(token: Element, sides: Iterator[str], script: bool) -> None:
    """Give one leaf the tag, the characters and the attributes that browsers act upon."""
    text = token.text or ""
    variant = token.get("mathvariant")
    if token.tag == "mspace":
        token.set("width", _NEGATIVE.get(token.get("width", "0"), token.get("width", "0")))
    if variant and token.tag == "mtext":
        token.attrib = {"style": _TEXT_STYLES[variant]} if variant in _TEXT_STYLES else {}
    elif variant and variant != "normal":
        del token.attrib["mathvariant"]
        token.text = "".join(_styled(character, variant) for character in text)
    elif token.tag == "mi" and len(text) == 1 and "Α" <= text <= "Ω":  # capital Greek is upright in TeX
        token.set("mathvariant", "normal")
    if token.tag == "mi" and len(text) == 1 and unicodedata.category(text)[0] in "SP" and text not in _ORDINARY:
        token.tag = "mo"
        token.text = text = {"~": "∼", "⧵": "∖", "⟂": "⊥"}.get(text, text)
    if token.tag != "mo":
        return
    sized = token.attrib.keys() & {"stretchy", "minsize"}
    if text in _ORDINARY:
        token.tag = "mi"
        token.attrib = {}
    elif text in ("|", "‖") and not sized:  # \lvert, \rVert and their kin
        token.attrib.update(form=next(sides), stretchy="false")
    elif text in ("⌊", "⌈", "⟨", "⌋", "⌉", "⟩") and not sized:
        token.attrib.update(form="prefix" if text in _OPEN else "postfix", stretchy="false")
    elif text == "|":
        token.attrib.update(lspace="0.05em", rspace="0.05em")
    elif text == ":" or (script and not token.get("fence")):  # TeX sets indices without spaces
        token.attrib.update(lspace="0", rspace="0")


def _styled(character: str, variant: str) -> str:
    """Return the mathematical symbol of a letter or digit: browsers ignore `mathvariant` but for "normal"."""
    name = unicodedata.name(character, "")
    match = re.fullmatch(r"(?:LATIN|GREEK) (?:LUNATE )?((?:SMALL|CAPITAL) LETTER .+|.+ SYMBOL)|(DIGIT .+|NABLA)", name)
    if not match:
        return character
    style = variant.upper().replace("-", " ").replace("DOUBLE STRUCK", "DOUBLE-STRUCK").replace("SANS SERIF", "SANS-SERIF")
    plain = (match[1] or match[2]).replace("LETTER ", "")
    for candidate in (f"MATHEMATICAL {style} {plain}", f"{style} {plain}", f"MATHEMATICAL BOLD {plain}"):
        try:
            return unicodedata.lookup(candidate)
        except KeyError:
            continue
    return character


def _join_upright(parent: Element) -> None:
    r"""Make one word of the letters of \mathrm{KL}."""
    for left, right in reversed(list(itertools.pairwise(parent))):
        upright = all(token.tag == "mi" and token.get("mathvariant") == "normal" for token in (left, right))
        letters = (left.text or "", right.text or "")
        if upright and all(text.isascii() for text in letters):
            left.text = "".join(letters)
            parent.remove(right)


def _group_fences(parent: Element) -> None:
    r"""Make \Big( ... \Big) one base where the closing one carries an index: browsers do not size it otherwise."""
    for script in [child for child in parent if child.tag in _LIMITS]:
        if script[0].tag != "mo" or "minsize" not in script[0].attrib or script[0].text not in tuple(_CLOSE):
            continue
        before = list(parent)[: list(parent).index(script)]
        depth = 1
        for start in range(len(before) - 1, -1, -1):
            core = before[start][0] if before[start].tag in _LIMITS else before[start]
            if "minsize" in core.attrib:
                depth += (core.text in tuple(_CLOSE)) - (core.text in tuple(_OPEN))
            if depth == 0:
                group = Element("mrow")
                group.extend([*before[start:], script[0]])
                for child in before[start:]:
                    parent.remove(child)
                script[0] = group
                break


def _space_functions(parent: Element) -> None:
    r"""Set TeX's thin space around function names: log p, max f, but log(p)."""
    if parent.tag not in ("mrow", "mtd", "mstyle", "msqrt"):
        return
    children = list(parent)
    for index, child in enumerate(children):
        core = child[0] if child.tag in _SCRIPTS else child
        word = core.tag == "mo" and (core.text or "").replace("\u2009", "").replace("\u2006", "").isalpha()
        if not word and not (core.tag == "mi" and core.text in _FUNCTION_NAMES):
            continue
        after = children[index + 1] if index + 1 < len(children) else None
        before = children[index - 1] if index else None
        if core.tag == "mo":
            core.attrib.update(lspace="0", rspace="0")
            if _takes_limits(core):
                core.set("movablelimits", "true")
            else:
                core.tag = "mi"
                core.attrib = {}
        thin = Element("mspace", width="0.167em")
        if after is not None and not (after.tag in ("mo", "mspace") or (len(after) and after[0].get("fence"))):
            parent.insert(list(parent).index(child) + 1, thin)
        if before is not None and (before.tag not in ("mo", "mspace") or (before.text or " ") in _CLOSE):
            parent.insert(list(parent).index(child), thin)
