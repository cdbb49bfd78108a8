r"""Markdown: formulas bind tighter than all but code, money and paths are text, and a table is one wherever it stands."""

import pytest
from bs4 import BeautifulSoup

from wmlib.command.gallery.markdown import markdown_to_html, set_formulas
from wmlib.command.gallery.page import Page


def read(source, convert=markdown_to_html):
    """The HTML of a text without faults."""
    page = Page("01_good", None)
    soup = BeautifulSoup(convert(source, page), "html.parser")
    assert page.problems == []
    return soup


def tex(soup):
    """The formulas of a page as plain characters."""
    return [math.get_text() for math in soup.find_all("math")]


@pytest.mark.parametrize(
    "text",
    [
        r"Open C:\Users\me and C:\new_folder\beta.",
        r"A line \newline, a pattern \d+\w*, and \LaTeX in prose.",
        "It costs $5_000 and $10^6 more, between $5-$7 a piece, and $1/$2.",
        "It costs US$ 5 or US$ 6.",
        "It costs 5 $ or 6 $; 100$, 200$ or 1_000$/month; 5$-7$ (8$).",
        "Set $HOME_DIR and $PATH, or $(CC) and ${A_B} and $2.",
        "What costs $5?",
        "From $HOME/$USER_ID, $A_B:$C to $X_Y=$Z.",
        "The pattern ^a_b$ or ^c_d$ ends.",
    ],
)
def test_paths_and_money_and_variables_are_text(text):
    for convert in (markdown_to_html, set_formulas):
        assert read(text, convert).get_text().strip() == text


def test_escaped_dollars_are_dollars():
    assert read(r"Pay \$5_a or \$x^2.").get_text() == "Pay $5_a or $x^2.\n"
    assert read(r"<td>\$5_a</td>", set_formulas).get_text() == "$5_a"


@pytest.mark.parametrize(
    "source",
    [
        "`echo $A_B $C`, ``$`x_1`$``, `C:\\\\x` and `$$` or `$$`",
        "```\n$$\nx_1\n$$\n\\begin{align}\n```",
        "    $x_1$ and $$",
        "<code>$x_1$</code>, <kbd>$x$</kbd>",
        "<pre>\n$x_1$\n\n$$y$$\n</pre>",
    ],
)
def test_code_is_left_alone(source):
    soup = read(source)
    assert tex(soup) == [] and (soup.code or soup.pre)


@pytest.mark.parametrize(
    ("source", "formulas"),
    [
        ("$x$ is 3, for $5 you get $y^2$.", ["x", "y2"]),
        ("Let $ x^2 $ be, $x^2 $ too.", ["x2", "x2"]),
        ("$x<y$ and **$a*b*c$** and [$z$](#z)", ["x<y", "a*b*c", "z"]),
        (r"\\(x\\) and \\[y\\] and \begin{align}z &= 1\end{align}", ["x", "y", "z=1"]),
        ("$$a$$ and $$b$$", ["a", "b"]),
        (r"$\$5 + x$ and \\$y$", ["$5+x", "y"]),
        ("We have $a\n+ b$ here.", ["a+b"]),
        ("$$\na\n- b\n=\n1. c\n> d\n$$\n\n- $e$", ["a−b=1.c>d", "e"]),
        ("> $$\n> - a\n> $$", ["−a"]),
        ("1. First\n\n   $$\n   - a\n   $$", ["−a"]),
        ("<div>\n$x$ and <b>$y$</b>\n</div>", ["x", "y"]),
    ],
)
def test_formulas_bind_tighter_than_blocks(source, formulas):
    soup = read(source)
    assert tex(soup) == formulas
    assert "$" not in "".join(text for text in soup.find_all(string=True) if not text.find_parent("math")).replace("for $5", "")


def test_the_text_of_html_has_formulas_but_none_goes_across_a_tag():
    soup = read("<td>$5</td><td>a$</td> <i>$a &lt; b$</i> <code>$c$</code> $d$ &amp;", set_formulas)
    assert tex(soup) == ["a<b", "d"] and "$5" in soup.get_text() and "$c$" in soup.get_text()


@pytest.mark.parametrize(
    "source",
    [
        "a | b\n--|--\n$p(x|z)$ | 2",
        "| $|a|$ | b |\n|---|--:|\n| $\\|x\\|$ | `c\\|d` |",
        "Text\n| a | b |\n|---|---|\n| $5 | $6 |",
        "- item\n  | a | b |\n  |---|---|\n  | $p(x|z)$ | 2 |",
        "1. item\n\n   a | b\n   --|--\n   $p(x|z)$ | 2",
        "> | a | b |\n> |---|---|\n> | $p(x|z)$ | 2 |",
        "| a | b |\r\n|---|---|\r\n| `$` | `$` |",
        "<details>\n\n| a | b |\n|---|---|\n| $\\$5|x$ | 2 |\n\n</details>",
    ],
)
def test_a_table_is_one_wherever_it_stands(source):
    rows = read(source).table.find_all("tr")
    assert [len(row.find_all(["th", "td"])) for row in rows] == [2, 2]


def test_cells_that_would_be_lost_are_faults():
    page = Page("01_good", None)
    markdown_to_html("| a | b |\n|--|--|\n| 1 | 2 | 3 |", page)
    assert "a table has 2 cells in its heading and 3 in the row '| 1 | 2 | 3 |'" in page.problems[0]


@pytest.mark.parametrize("below", ["|--|", "|--|--|--|", "|--+--|", "|==|==|", "| 1 | 2 |"])
def test_a_table_that_would_be_a_paragraph_is_a_fault(below):
    page = Page("01_good", None)
    markdown_to_html(f"Text\n| a | b |\n{below}\n| 1 | 2 |", page)
    assert page.problems == [f"a table is read as text: below its heading '| a | b |' comes '{below}', not |---|---|"]


@pytest.mark.parametrize("source", ["- | a | b |\n  |--|--|\n  | 1 | 2 |", "$$\n|x|\n|y|\n$$", "||x|| <= |y|\nand |z|"])
def test_bars_that_are_right_are_no_fault(source):
    read(source)


def test_the_rest_of_githubs_dialect():
    code = "```python\ndef f(): pass\n```"
    soup = read(f"- [x] done\n- [ ] open\n\n~~gone~~ https://example.org/a_b\n\n{code}\n\n![Loss $x_1$](a.png)")
    assert [item.get_text() for item in soup.find_all("li")] == ["☑ done", "☐ open"]
    assert soup.s and soup.a["href"] == "https://example.org/a_b" and soup.find(class_="highlight").find(class_="k")
    assert soup.img["alt"] == "Loss x_1"
