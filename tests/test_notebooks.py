"""Every notebook: stripped, in the agreed shape, and running under smoke through the real runner."""

import ast
import io
import itertools
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import nbformat
import pytest

from wmlib.experiment import results, settings
from wmlib.lessons import LESSONS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
HEADINGS = [
    "What you will see",
    "Parameters",
    "The idea",
    "The code",
    "The run",
    "The figure",
    "What the paper said, what we measured",
    "Try it yourself",
    "Exercises",
]
MOST_WORDS = 180  # in a markdown cell
MOST_WORDS_OF_ALL = 2500  # in all markdown cells of a notebook

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def load(path):
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    assert [p.stem for p in NOTEBOOKS[:2]] == ["01_cma_es_toy", "02_mixture_density_network"]


@every_notebook
def test_is_stripped(path):
    done = subprocess.run([sys.executable, "-m", "nbstripout", "--verify", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    nb = load(path)
    assert "widgets" not in nb.metadata and not any("papermill" in c.metadata for c in nb.cells)
    assert "papermill" not in nb.metadata


@every_notebook
def test_follows_the_skeleton(path):
    cells = load(path).cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert re.match(rf"# {path.stem[:2]} · ", cells[0].source)
    headings = [h for h in re.findall(r"^## (.+)$", text, flags=re.MULTILINE)]
    assert headings == HEADINGS
    assert 25 <= len(cells) <= 60
    assert len(text.split()) <= MOST_WORDS_OF_ALL
    assert "@@" not in text and not re.search(r"^[A-Z ]+ TEXT$", text, flags=re.MULTILINE), "a place where a text is to come"
    for cell, following in itertools.pairwise(cells):
        assert not (cell.cell_type == following.cell_type == "code"), f"no sentence between two code cells:\n{following.source}"
    for cell in cells:
        words = len(cell.source.split()) if cell.cell_type == "markdown" else 0
        assert words <= MOST_WORDS, f"{words} words in a cell: {cell.source[:80]!r}"


def parameters_cell(path):
    (cell,) = (c for c in load(path).cells if "parameters" in c.metadata.get("tags", []))
    return cell


@every_notebook
def test_plumbing_is_folded(path):
    """What imports, stores results or saves figures is tagged and hidden; JupyterLab and the gallery fold it."""
    for cell in load(path).cells:
        if cell.cell_type == "code" and re.search(r"\b(save_figure|save_animation|show_part|run\.store|Run)\(", cell.source):
            assert cell.metadata.get("tags") == ["hide-input"] and cell.metadata.jupyter.source_hidden, cell.source[:80]


@every_notebook
def test_parameters_are_tagged_literals_and_agree_with_the_profiles(path):
    cell, table, names = parameters_cell(path), settings.read(path.stem), []
    head, *lines = ast.parse(cell.source).body
    assert ast.unparse(head) == "from typing import Optional"  # papermill's inspector cannot read `int | None`
    for line in lines:
        assert isinstance(line, ast.AnnAssign), "typed, one a line"
        name, value = line.target.id, ast.literal_eval(line.value)
        names.append(name)
        if name in table:
            assert value is None, f"{name}: None here, its values are in profiles.toml"
            assert ast.unparse(line.annotation) == f"Optional[{type(table[name].quick).__name__}]"
    assert names[:3] == ["profile", "seed", "device"] and names[-1] == "overrides"
    assert names[3:-1] == [name for name in table if name in names], "settings of profiles.toml, in its order"
    assert all("#" in line for line in cell.source.splitlines()[2:]), "each with its unit or choices in a comment"


@every_notebook
def test_papermill_lists_every_parameter(path):
    """What `papermill --help-notebook` shows: its own inspector reads the cell line by line."""
    from papermill.inspection import inspect_notebook

    listed = inspect_notebook(str(path))
    wanted = [line.target.id for line in ast.parse(parameters_cell(path).source).body[1:]]
    assert list(listed) == wanted
    assert all(listed[name]["help"] and listed[name]["inferred_type_name"] != "None" for name in wanted)


@every_notebook
def test_no_number_is_chosen_by_the_profile_outside_of_the_table(path):
    """Every number that a profile changes is a setting, which -p can reach."""
    lesson = ROOT / "wmlib" / "lessons" / LESSONS[int(path.stem[:2]) - 1]
    sources = [cell.source for cell in load(path).cells if cell.cell_type == "code"]
    sources += [file.read_text(encoding="utf-8") for file in lesson.rglob("*.py")]
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Compare | ast.Subscript | ast.Match):
                assert not re.search(r"\bprofile\b", ast.unparse(node)), ast.unparse(node)


@every_notebook
def test_links_lead_somewhere(path):
    for cell in load(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
                if not target.startswith(("http://", "https://", "attachment:")):
                    assert (path.parent / target).exists(), f"{target} in {path.name}"


def run_under_smoke(name, folder, *more):
    """Run a notebook as a user would, and return its results."""
    command = [sys.executable, "-m", "wmlib", name, "--profile", "smoke", "--out", str(folder), "--cell-timeout", "200", *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return results.read(folder / "figures" / name / "results.json")


@pytest.mark.parametrize("task", ["repeat", "priority_sort"])
def test_the_author_s_other_tasks_run_too(task, tmp_path):
    assert run_under_smoke("03_dnc_addition_curriculum", tmp_path, "-p", f"task={task}")["settings"]["task"] == task


CHANGED = {
    "01_cma_es_toy": "sigma=0.5",
    "02_mixture_density_network": "num_components=4",
    "03_dnc_addition_curriculum": "num_slots=6",
    "04_vae": "latent_size=32",
    "05_vizdoom_dream": "temperature=1.0",
    "06_pommerman_prediction": "hidden_size=12",
    "07_neural_computer_agent": "num_slots=5",
    "08_rnd_pixelcopter": "num_features=5",
}


def numbers_of(stored):
    """Return the headline's and the claims' numbers as a sentence would have them, those with at least three digits."""
    values = [stored["headline"]["value"], *stored["headline"]["interval"]]
    for claim in stored["claims"]:
        values += [claim["ours"], *claim["interval"]]
    texts = {form.format(value) for value in values for form in ("{:.3g}", "{:.2f}", "{:.0f}", "{:,.0f}", "{:.1%}")}
    return {text.strip("-%") for text in texts if "e" not in text and len(re.sub(r"\D", "", text).strip("0")) >= 3}


@every_notebook
def test_runs_under_smoke_with_a_changed_setting(path, tmp_path):
    stored = run_under_smoke(path.stem, tmp_path, "-p", CHANGED[path.stem])
    assert stored["profile"] == "smoke" and stored["claims"] and stored["figures"]
    for figure in stored["figures"]:
        assert (tmp_path / "figures" / path.stem / figure["file"]).stat().st_size > 1000
    page = (tmp_path / "gallery" / f"{path.stem}.html").read_text()
    assert "<math" in page and not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']https?:", page)
    for cell in load(tmp_path / "notebooks" / f"{path.stem}.ipynb").cells:
        for output in cell.get("outputs", []):
            text = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            assert "Warning" not in text and len(text.splitlines()) <= 60, text
    texts = [cell.source for cell in load(tmp_path / "notebooks" / f"{path.stem}.ipynb").cells if cell.cell_type == "markdown"]
    formula = r"\$\$.*?\$\$|\$[^$]+\$"  # one worked out by hand has none of the run's numbers
    prose = re.sub(formula, "", " ".join(texts), flags=re.DOTALL)
    said = set(re.findall(r"\d[\d,]*(?:\.\d+)?", prose))
    committed = numbers_of(results.read(ROOT / "figures" / path.stem / "results.json"))
    assert not said & committed - numbers_of(stored), "numbers of the quick run in the prose: take them from the run, by note()"


def test_numbers_of_results_are_found_in_sentences():
    claim = {"ours": 0.7654, "interval": [-12.34, 1234.0]}
    numbers = numbers_of({"headline": {"value": 0.5, "interval": [1.0, 9.0]}, "claims": [claim]})
    assert {"0.765", "76.5", "12.3", "12.34", "1,234", "1234"} <= numbers
    assert not {"0.77", "1", "9", "9.00", "0.5", "50.0"} & numbers


@every_notebook
def test_committed_results_are_those_of_the_committed_notebook(path):
    """figures/ holds what the quick profile draws: valid, complete, and of this notebook's settings."""
    folder = ROOT / "figures" / path.stem
    found = results.read(folder / "results.json")
    assert found["profile"] == "quick" and found["seed"] == 1
    assert found["settings"] == {name: s.quick for name, s in settings.read(path.stem).items()}
    assert found["dirty"] is False, "made from a tree with uncommitted changes: commit, then run again"
    assert {f["file"] for f in found["figures"]} == {p.name for p in folder.iterdir()} - {"results.json", "study"}


@pytest.mark.parametrize("folder", sorted((ROOT / "figures").glob("*/study")), ids=lambda folder: folder.parent.name)
def test_committed_study_results_are_those_of_a_clean_tree(folder):
    found = results.read(folder / "results.json")
    assert found["profile"] == "study" and found["dirty"] is False
    assert found["settings"] == {name: s.study for name, s in settings.read(folder.parent.name).items()}
    assert {f["file"] for f in found["figures"]} == {p.name for p in folder.iterdir()} - {"results.json"}


def test_claims_are_those_of_the_single_runs():
    from wmlib.command.claims import check

    assert "as stored" in check(ROOT / "figures")


def test_the_readme_table_is_up_to_date(tmp_path):
    """As committed: who has just run the notebooks on another processor may have other last digits in figures/."""
    from wmlib.command.claims import with_claims

    root = ROOT
    packed = subprocess.run(["git", "-C", ROOT, "archive", "HEAD", "README.md", "figures"], capture_output=True)
    if packed.returncode == 0:  # in a git clone
        tarfile.open(fileobj=io.BytesIO(packed.stdout)).extractall(tmp_path, filter="data")
        root = tmp_path
    text = (root / "README.md").read_text(encoding="utf-8")
    assert text == with_claims(text, root / "figures"), "run: python -m wmlib claims"


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target
