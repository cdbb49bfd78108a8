r"""Formulas for the gallery: what the notebooks write arrives as MathML that browsers draw, or is refused by name."""

import re
import unicodedata
from xml.etree import ElementTree

import pytest

from wmlib.command.gallery.formula import to_mathml

FORMULAS = [
    r"\frac{a}{b} + \dfrac{1}{2} - \tfrac12",
    r"\sum_{i=1}^{N} x_i \prod_{k} y_k \int_0^1 f\,dx",
    r"z_i\sim\mathcal{N}(\mathbf{0},\sigma^2\mathbf{I})",
    r"\boldsymbol{\mu}_t \mathbb{E}_{x\sim p}[x] \mathbb{R}^{N\times W} \mathfrak{g} \mathsf{T} \mathtt{ab} \mathscr{L}",
    r"\hat{x} \bar{y} \tilde{z} \dot{x} \vec{v} \widehat{ab} \overline{ab} \underline{ab}",
    r"\lVert x-\hat x\rVert_2^2 + \lvert y\rvert + \left\lVert \frac{a}{b} \right\rVert + \Bigl\lVert x\Bigr\rVert",
    r"\sqrt{x} \sqrt[3]{y}",
    r"f(x)=\begin{cases} x^2 & \text{if } x>0,\\[2pt] 0 & \text{otherwise}\end{cases}",
    r"\begin{bmatrix}a&b\\c&d\end{bmatrix} \begin{pmatrix}1\\2\end{pmatrix}",
    r"\begin{aligned} a &= b \\ &= c\end{aligned}",
    r"\begin{align} a &= b \tag{1}\\ c &= d \tag{2}\end{align}",
    r"\operatorname{softmax}(x) \operatorname*{arg\,max}_{a} Q \max_a Q \lim_{n\to\infty} \log p \tanh x",
    r"\underbrace{a+b}_{\text{sum}} \overbrace{a}^{b}",
    r"D_\mathrm{KL}\big(q(z\mid x)\,\|\,p(z)\big) \left[ \frac{a}{b} \right]^2 \Big(\frac{a}{b}\Big)^2",
    r"a<b \le c \ne d \approx e \propto f \odot g \otimes h \in A \setminus B \pm 1 \cdot 10{,}000\%",
    r"\lfloor x \rfloor \lceil y \rceil \langle z \rangle \{a, b\} x_{1:T} x' := y",
    r"\Gamma \Delta \alpha \beta \epsilon \varepsilon \phi \varphi \theta \ell \infty \nabla \partial \top \dots \cdots",
]


@pytest.mark.parametrize("tex", FORMULAS)
@pytest.mark.parametrize("display", [False, True])
def test_formulas_of_the_notebooks_become_core_mathml(tex, display):
    math = ElementTree.fromstring(to_mathml(tex, display))
    assert math.get("display") == ("block" if display else "inline")
    assert not re.search(r"\\|\$|&#", "".join(math.itertext()))
    for element in math.iter():
        assert element.get("mathvariant", "normal") == "normal"  # browsers ignore every other value
        assert element.tag != "menclose"
        if element.tag == "mo":
            assert element.text or element.get("fence")
            assert len(element) == 0


@pytest.mark.parametrize(
    ("tex", "word"),
    [
        (r"\oops{x}", r"unknown command \oops"),
        (r"\mathbbm{1}", r"unknown command \mathbbm"),
        (r"\frac{a", "1 opening and 0 closing braces"),
        (r"\frac{a}", "an argument is missing (frac)"),
        (r"\left( x", "extra left or missing right"),
        ("a_b_c", "double subscripts"),
        (r"\begin{cases} a", "missing end"),
        (r"\begin{gather} a \end{gather}", "environment gather"),
        ("a & b", "& outside an environment"),
        (r"a \\ b", "outside an environment; use"),
        (r"\boxed{x}", "cannot draw boxes"),
        (r"\begin{array}{c|c}a&b\end{array}", "rules in arrays"),
        (r"\xrightarrow{f}", "stretch arrows"),
        (r"\operatorname{arg\,max} x", "plain letters"),
        (r"\text{if $x$}", "dollar sign"),
        (r"a \not= b", r"\neq"),
        (r"\hspace*{1em} x", "a space that cannot be read"),
        (r"\DeclareMathOperator{\foo}{foo}", "nothing to show"),
        ("  ", "it is empty"),
    ],
)
def test_a_formula_that_cannot_be_shown_is_refused_by_name(tex, word):
    with pytest.raises(ValueError) as caught:
        to_mathml(tex)
    assert str(caught.value).startswith(f"formula {tex.strip()}")
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("font", "style"),
    [("mathbf", "BOLD"), ("mathcal", "SCRIPT"), ("mathbb", "DOUBLE-STRUCK"), ("boldsymbol", "BOLD ITALIC")],
)
def test_fonts_become_the_letters_of_unicode(font, style):
    # two letters a time: latex2mathml itself knows single ones only
    shown = "".join(ElementTree.fromstring(to_mathml(rf"\{font}{{Kx}}")).itertext())
    assert [unicodedata.name(c) for c in shown] == [f"MATHEMATICAL {style} {c}" for c in ("CAPITAL K", "SMALL X")]


def test_fonts_with_letters_that_unicode_named_earlier():
    shown = ["".join(ElementTree.fromstring(to_mathml(tex)).itertext()) for tex in (r"\mathcal L", r"\mathbb R", r"\bm\mu")]
    assert shown == ["ℒ", "ℝ", "𝝁"]


def test_bars_know_their_sides():
    bars = [m for m in ElementTree.fromstring(to_mathml(r"\lVert a\rVert+\lVert b\rVert_2")).iter("mo") if m.text == "‖"]
    assert [bar.get("form") for bar in bars] == ["prefix", "postfix", "prefix", "postfix"]


def test_limits_go_below_and_indices_of_functions_do_not():
    assert "<munder><mo" in to_mathml(r"\max_a Q", display=True)
    assert "<munderover><mo>∑" in to_mathml(r"\left[\sum_{i=1}^n i\right]", display=True)
    assert "<msub><mi>logsumexp</mi>" in to_mathml(r"\operatorname{logsumexp}_k x")


@pytest.mark.parametrize(
    ("tex", "spaces"), [(r"\log p", 1), (r"\log(p)", 0), (r"2\log p", 2), (r"\log_2 p", 1), (r"\log\left(p\right)", 0)]
)
def test_function_names_keep_their_distance(tex, spaces):
    assert len(list(ElementTree.fromstring(to_mathml(tex)).iter("mspace"))) == spaces


def test_words_and_upright_letters():
    assert '<mi mathvariant="normal">KL</mi>' in to_mathml(r"\mathrm{KL}")
    assert '<mi mathvariant="normal">d</mi><mi>x</mi>' in to_mathml(r"\mathrm{d}x")
    assert '<mi mathvariant="normal">Γ</mi><mi>γ</mi>' in to_mathml(r"\Gamma\gamma")


def test_big_brackets_with_an_index_are_one_base():
    math = ElementTree.fromstring(to_mathml(r"x\Big[a\big(b\big)^2\Big]_i"))
    base = math.find("mrow/msub/mrow")
    assert [base[0].text, base[-1].text] == ["[", "]"]
    assert [m.text for m in base.find("msup/mrow")] == ["(", "b", ")"]


def test_escaped_characters():
    assert to_mathml(r"\$5 + \text{a\_b \$ \%}").count("$") == 2
    assert "\\" not in to_mathml(r"\$5 + \text{a\_b \$ \%}")


def test_less_than_is_escaped():
    assert "<mo>&lt;</mo>" in to_mathml("a<b")
