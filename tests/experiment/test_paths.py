"""Where things lie, whatever the working directory."""

import pytest

from wmlib.experiment import paths


def test_paths_do_not_depend_on_the_working_directory(project, tmp_path, monkeypatch):
    before = paths.root(), paths.output("quick"), paths.figures("quick", "01_good"), paths.notebooks()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert before == (paths.root(), paths.output("quick"), paths.figures("quick", "01_good"), paths.notebooks())


def test_unredirected_figures_of_quick_and_study_are_the_committed_ones(project, tmp_path, monkeypatch):
    assert paths.figures("quick", "01_good") == tmp_path / "figures/01_good"
    assert paths.figures("study", "01_good") == tmp_path / "figures/01_good/study"
    assert paths.figures("smoke", "01_good") == tmp_path / "build/smoke/figures/01_good"
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "elsewhere"))
    assert paths.figures("quick", "01_good") == paths.figures("paper", "01_good") == tmp_path / "elsewhere/figures/01_good"
    assert paths.figures("study", "01_good") == tmp_path / "elsewhere/figures/01_good/study"


def test_a_root_without_a_project_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="set WMLIB_ROOT"):
        paths.root()


def test_a_relative_output_is_under_the_root(project, tmp_path, monkeypatch):
    assert paths.output("smoke") == tmp_path / "build/smoke"
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("WMLIB_OUT", "elsewhere")
    assert paths.output("smoke") == tmp_path / "elsewhere"


def test_a_title_is_the_first_heading(project):
    project.notebook("01_good")
    assert paths.title(paths.notebooks() / "01_good.ipynb") == "01_good title"
    path = paths.notebooks() / "02_other.ipynb"
    path.write_text('{"cells": [{"source": ["no heading\\n", "## a smaller one"]}]}')
    assert paths.title(path) == "02_other"


@pytest.mark.parametrize("out", [".", "build/..", "notebooks", "figures/new", "wmlib", "link", "other"])
def test_no_output_goes_into_the_sources(project, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    for name in ("build", "figures", "wmlib", "other/figures"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "other/figures/01_good").symlink_to(tmp_path / "figures")
    with pytest.raises(paths.OutputError, match=r"^out: .* would put outputs into .*, which belongs to the sources; name an"):
        paths.redirect(out)
    monkeypatch.setenv("WMLIB_OUT", out)
    with pytest.raises(paths.OutputError):
        paths.output("quick")


def test_a_build_folder_that_leads_to_the_sources_is_refused(project, tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/smoke").symlink_to(tmp_path)
    with pytest.raises(paths.OutputError):
        paths.output("smoke")
    assert paths.output("quick") == tmp_path / "build/quick"


@pytest.mark.parametrize("out", ["", "  ", "~no-such-user/x"])
def test_an_output_is_a_folder(project, out):
    with pytest.raises(paths.OutputError, match=r"out: got .*; allowed is a folder, .*for example --out"):
        paths.redirect(out)


def test_outputs_may_go_elsewhere(project, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for out, folder in (("~/x", "home/x"), ("build/mine", "build/mine"), ("{seed}", "{seed}"), ("notebooks2", "notebooks2")):
        paths.redirect(out)
        assert paths.output("quick") == tmp_path / folder
