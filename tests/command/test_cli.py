"""The command line: every command as a user types it, and one line for whatever the user can mend."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook

from wmlib.command import cli
from wmlib.command.cli import main
from wmlib.experiment import settings
from wmlib.experiment.cache import ArtifactCache
from wmlib.training.schedules import linear_decay

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["07"], "notebook: got '07'; there are 01_good, 02_other, 03_third"),
        (["01_god"], "Did you mean '01_good'"),
        (["--profile", "quik"], "profile: got 'quik'.*Did you mean 'quick'"),
        (["--device", "gpu"], "device: got 'gpu'; allowed are auto, cpu, cuda"),
        (["--seed", "-1"], "seed: got -1"),
        (["-p", "stepz=3"], "-p: got 'stepz'.*Did you mean 'steps'"),
        (["02", "-p", "steps=3"], "-p: got 'steps'; allowed are depth"),
        (["-p", "steps"], "-p: got 'steps'; allowed is name=value"),
        (["-p", "steps=many"], "steps: got 'many'; allowed is a whole number"),
        (["-p", "steps=99"], "steps: got 99; allowed is 1 to 10"),
        (["-p", "seed=2"], "use --seed 2"),
        (["--jobs", "0"], "jobs: got 0"),
        (["--cell-timeout", "0"], "cell-timeout: got 0"),
        (["--backend", "ray"], "backend: got 'ray'; allowed are loky, dask"),
        (["--porfile", "smoke"], "unknown option '--porfile'.*Did you mean '--profile'"),
        (["--seed", "x"], "seed.*invalid int value: 'x'"),
        (["galery"], "Did you mean 'gallery'"),
        (["lnt"], "Did you mean 'lint'"),
        (["--out", "FILE"], "out: cannot write to .*; name another folder with --out"),
        (["--out", "/proc/nowhere"], "out: cannot write to"),
    ],
)
def test_bad_input_is_one_line_before_anything_starts(three, tmp_path, capsys, arguments, message):
    (tmp_path / "FILE").write_text("in the way")
    arguments = [str(tmp_path / a) if a == "FILE" else a for a in arguments]
    assert main(["run", *arguments]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error) and error.startswith("wmlib: ") and error.count("\n") == 1
    assert not list(tmp_path.rglob("*.partial.ipynb")) and not list(tmp_path.rglob("build/*/notebooks/*"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["list", "--profile", "quik"], "Did you mean 'quick'"),
        (["cache", "--profile", "papr"], "Did you mean 'paper'"),
        (["cache", "--prun"], None),  # argparse takes a beginning of an option for the whole
        (["cache", "--porfile", "smoke"], "Did you mean '--profile'"),
        (["list", "--prune"], "unknown option '--prune'"),
        (["gallery"], "gallery: executed: no notebooks named NN_name.ipynb"),
        (["claims"], "README.md"),
    ],
)
def test_bad_input_of_the_other_commands_is_one_line_too(three, capsys, arguments, message):
    status = main(arguments)
    error = capsys.readouterr().err
    if message is None:
        assert status == 0 and error == ""
    else:
        assert status == 2 and re.search(message, error) and error.startswith("wmlib: ") and error.count("\n") == 1


def test_a_project_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WMLIB_ROOT", str(tmp_path))
    assert main(["list"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("wmlib: no pyproject.toml in") and error.count("\n") == 1


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {name} ", text, re.MULTILINE) for name in ("run", "list", "gallery", "claims", "cache", "lab"))


def test_the_options_that_are_suggested_are_those_there_are():
    flags = cli.parser().flags()
    assert {"--profile", "--prune", "--cell-timeout", "-p"} < set(flags) and len(set(flags)) == len(flags)


def test_the_command_line_is_light():
    """Refusing a wrong word must not load torch: 2 s of waiting for a spelling mistake."""
    heavy = ("torch", "scipy", "matplotlib", "papermill")
    code = f"import sys, wmlib.command.cli; print([module for module in {heavy} if module in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
    assert settings.nearest("tehn", ["then"]) == " Did you mean 'then'?"


# --- run -------------------------------------------------------------------------------------------------------------------


def test_a_run_end_to_end(project, wmlib, store, tmp_path):
    """One good notebook, one that fails, one that works all the same; from another working directory."""
    check = "assert (profile, steps, overrides) == ('quick', 7, {'rate': 0.25})\nprint('steps', steps)"
    project.notebook("01_good", check, store("01_good"), parameters="steps: int | None = None")
    project.notebook("02_other", "x = 41", "raise RuntimeError(f'no luck with {x}')", "print('never')")
    project.notebook("03_third", store("03_third"))
    done = wmlib("run", "-p", "steps=7", "-p", "rate=0.25", cwd=tmp_path)
    assert done.returncode == 1
    for text in ("01_good  ok", "02_other  failed", "03_third  ok", "9 of 10 work", "reproduced: It works.", "gallery"):
        assert text in done.stdout, done.stdout + done.stderr
    for text in ("cell 4 of 02_other.ipynb", "raise RuntimeError(f'no luck with {x}')", "RuntimeError: no luck with 41"):
        assert text in done.stdout
    good = nbformat.read(project.executed("01_good"), as_version=4)
    assert any(o.get("text") == "steps 7\n" for c in good.cells for o in c.get("outputs", []))
    record = json.loads((tmp_path / "figures/01_good/results.json").read_text())
    assert record["settings"]["rate"] == 0.25
    assert (tmp_path / "build/quick/gallery/index.html").exists()
    assert project.executed("02_other").exists()  # to be opened and read
    assert not list(tmp_path.rglob("*.partial*"))


def test_out_takes_everything_and_missing_results_are_named(project, wmlib, tmp_path):
    project.notebook("03_third", "pass")
    done = wmlib("03", "--out", tmp_path / "o", "--profile", "smoke")
    assert done.returncode == 0 and "no results: " in done.stdout
    assert {p.name for p in (tmp_path / "o").iterdir()} == {"figures", "notebooks", "gallery"}
    assert not (tmp_path / "figures").exists() and not (tmp_path / "build").exists()


STAGE = """
from wmlib.experiment.run import Run
run = Run("01_good", profile, seed, device, overrides=overrides)
def stage(log):
    with open(log, "a") as file:
        return file.write("x")
run.cached(stage, {log!r})
"""


def test_fresh_makes_cached_stages_again(project, wmlib, tmp_path):
    log = tmp_path / "log"
    project.notebook("01_good", STAGE.format(log=str(log)))
    for arguments, content in (((), "x"), ((), "x"), (("--fresh",), "xx")):
        assert wmlib("01", *arguments).returncode == 0
        assert log.read_text() == content


# --- list, gallery, claims, lab --------------------------------------------------------------------------------------------


def test_list_shows_settings_and_last_result(three, store, capsys):
    assert main(["list"]) == main(["list", "--profile", "smoke"]) == 0
    text = capsys.readouterr().out
    assert "-p steps=3  how many; allowed: 1 to 10" in text and "-p steps=1  how many" in text
    assert text.count("not run yet") == 6 and "02_other: 02_other title" in text
    exec(store("01_good"), {"profile": "quick", "seed": 1, "device": "cpu", "overrides": {}})
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert text.count("not run yet") == 2 and "    9 of 10 work\n" in text


def test_a_damaged_result_is_one_line(three, capsys):
    (three.path / "figures/01_good").mkdir(parents=True)
    (three.path / "figures/01_good/results.json").write_text("{}")
    assert main(["list"]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_gallery_is_built_from_executed_notebooks(project, capsys):
    executed = project.executed("01_good")
    executed.parent.mkdir(parents=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A title\n\nText")]), executed)
    assert main(["gallery"]) == 0
    index = project.path / "build/quick/gallery/index.html"
    assert capsys.readouterr().out == f"gallery: {index}\n" and "A title" in index.read_text()
    nbformat.write(new_notebook(cells=[new_markdown_cell("No title, [dead](gone.py)")]), executed)
    assert main(["gallery"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(
        "wmlib: gallery: the gallery was not written: 2 faults in the notebooks; the first is 01_good: the"
    )
    assert told.err.count("\n") == 1 and "01_good: there is no title" in told.out
    assert "A title" in index.read_text()


def test_claims_are_written_into_the_readme(project, store, capsys):
    from wmlib.command.claims import BEGIN, END

    project.notebook("01_good")
    exec(store("01_good"), {"profile": "quick", "seed": 1, "device": "cpu", "overrides": {}})
    readme = project.path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(["claims"]) == 0
    text = readme.read_text()
    assert (
        "quick: 0.9 [0.596, 0.982], n = 10" in text
        and "old" not in text
        and text.startswith("before\n")
        and text.endswith("after\n")
    )
    readme.write_text("no marks")
    assert main(["claims"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("wmlib: README: the marks") and error.count("\n") == 1 and readme.read_text() == "no marks"


@pytest.fixture
def lab(project, monkeypatch):
    """The command that `lab` with these arguments becomes."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    commands = []
    monkeypatch.setattr(cli.os, "execv", lambda program, command: commands.append([program, *command]))

    def start(*arguments):
        main(["lab", *arguments])
        return commands.pop()

    return start


def test_lab_listens_on_loopback_and_keeps_the_token(lab):
    command = lab("--no-browser")
    assert command[:4] == [sys.executable, sys.executable, "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in command and command[-1] == "--no-browser"
    assert not any("token" in word for word in command)


def test_lab_serves_the_project_and_opens_its_notebooks(lab, project):
    """Seen from notebooks/ alone, every picture and link to ../figures or ../wmlib would be dead."""
    command = lab()
    assert f"--ServerApp.root_dir={project.path}" in command
    assert "--LabApp.default_url=/lab/tree/notebooks" in command


@pytest.mark.parametrize(
    "option", ["--ip=0.0.0.0", "--ServerApp.ip=0.0.0.0", "--notebook-dir=/srv", "--ServerApp.root_dir=/srv"]
)
def test_what_is_asked_of_lab_goes_before_our_own(lab, option):
    command = lab(option)  # Jupyter refuses an option that is there twice
    assert command[-1] == option
    assert any("ip=" in word for word in command) and sum("ip=" in word for word in command) == 1
    assert sum("dir=" in word for word in command) == 1


# --- web: what is in the page is tested in tests/viz/web


@pytest.fixture
def page(monkeypatch):
    """What the page holds here."""
    from wmlib.viz.web import published

    monkeypatch.setattr(published, "published_page", lambda load: "<p>a dream</p>")
    return "<p>a dream</p>"


def test_web_writes_one_page(project, page, capsys):
    assert main(["web"]) == 0
    assert (project.path / "build/dream.html").read_text() == page
    assert f"dream: {project.path}/build/dream.html" in capsys.readouterr().out
    assert main(["web", "--page", str(project.path / "elsewhere/page.html")]) == 0
    assert (project.path / "elsewhere/page.html").read_text() == page


def test_web_takes_a_picture_or_says_what_is_missing(project, page, monkeypatch, capsys):
    from wmlib.command import screenshot

    taken = []
    monkeypatch.setattr(screenshot, "take", lambda page, picture: taken.append((page.name, picture.name)))
    assert main(["web", "--picture", "page.png"]) == 0 and taken == [("dream.html", "page.png")]

    def no_browser(page, picture):
        raise screenshot.BrowserMissing("there is no Chromium: install it")

    monkeypatch.setattr(screenshot, "take", no_browser)
    assert main(["web", "--picture", "page.png"]) == 2
    assert capsys.readouterr().err == "wmlib: web: there is no Chromium: install it\n"


@pytest.mark.parametrize(
    "arguments, message",
    [(["--page", "FILE/page.html"], "cannot write"), (["--pge", "x"], "unknown option '--pge'. Did you mean '--page'")],
)
def test_bad_input_of_web_is_one_line(project, page, capsys, arguments, message):
    (project.path / "FILE").write_text("in the way")
    assert main(["web", *(str(project.path / word) if "/" in word else word for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("wmlib: ") and error.count("\n") == 1


def test_a_full_disk_is_said_once_with_the_option_that_names_another_file(project, page, monkeypatch, capsys):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["web"]) == 2
    file = project.path / "build/dream.html"
    reason = "No space left on device"
    assert capsys.readouterr().err == f"wmlib: web: cannot write {file} ({reason}); name another file, with --page\n"


def test_a_picture_that_cannot_be_written_names_its_option(project, page, monkeypatch, capsys):
    from wmlib.command import screenshot
    from wmlib.experiment.atomic import write_atomically

    monkeypatch.setattr(screenshot, "take", lambda page, picture: write_atomically(picture, lambda temporary: None))
    (project.path / "FILE").write_text("in the way")
    picture = project.path / "FILE/page.png"
    assert main(["web", "--picture", str(picture)]) == 2
    reason = "File exists"
    assert capsys.readouterr().err == f"wmlib: web: cannot write {picture} ({reason}); name another file, with --picture\n"


def test_the_gallery_of_notebook_05_has_the_page(project, page, store, wmlib):
    project.notebook("05_vizdoom_dream", "pass")
    executed = project.executed("05_vizdoom_dream")
    executed.parent.mkdir(parents=True)
    shutil.copyfile(project.path / "notebooks/05_vizdoom_dream.ipynb", executed)
    assert main(["gallery"]) == 0
    folder = project.path / "build/quick/gallery"
    assert (folder / "dream.html").read_text() == page
    assert 'href="dream.html"' in (folder / "index.html").read_text()


# --- cache -----------------------------------------------------------------------------------------------------------------


def double(values):
    return {"doubled": 2 * values}


def use(folder, name):
    return f"{name} {folder.name}"


def fill(folder, size):
    (folder / "zeros").write_bytes(bytes(size))


def edit(path, change):
    """Change what a manifest says about what its artifact was made from."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest["determined_by"])
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def cached(project):
    """Artifacts of the current code by a short name, and others that no call will find again; ages are set apart."""
    cache = ArtifactCache(project.path / "build/quick/cache")
    folders = {"values": cache.artifact(double, (np.arange(3.0),), {}).path}
    cache.values(double, np.arange(3.0))
    folders["current"] = cache.artifact(linear_decay, (3, 10, 0.125, 0.5), {}).path
    cache.values(linear_decay, 3, 10, 0.125, 0.5)
    folders["large"] = cache.folder(fill, 2_500_000)
    folders["user of large"] = cache.artifact(use, (folders["large"], "a"), {}).path
    cache.values(use, folders["large"], "a")
    folders["old code"] = cache.artifact(linear_decay, (4, 10, 0.125, 0.5), {}).path
    cache.values(linear_decay, 4, 10, 0.125, 0.5)
    edit(folders["old code"], lambda facts: facts.update(code="0" * 64))
    folders["old version"] = cache.folder(fill, 7)
    folders["user of old version"] = cache.artifact(use, (folders["old version"], "b"), {}).path
    cache.values(use, folders["old version"], "b")
    edit(folders["old version"], lambda facts: facts["versions"].update(numpy="1.0"))
    folders["damaged"] = cache.folder(fill, 8)
    (folders["damaged"] / "manifest.json").write_text("{")
    unfinished = cache.artifact(fill, (None, 9), {})
    unfinished.begin()
    folders["unfinished"] = unfinished.partial
    for days, folder in enumerate(folders.values()):
        for file in folder.rglob("*"):
            os.utime(file, (0, time.time() - 86400 * days - 7200))
    return folders


STALE = {"old code", "old version", "user of old version", "damaged"}


def rows(text):
    """The lines of the listing by artifact, and the last ones."""
    lines = [line.split("  ", 4) for line in text.splitlines()]
    return {row[0]: row[1:] for row in lines if len(row) == 5}, text.splitlines()


def test_cache_lists_name_size_age_state_and_settings(cached, capsys):
    assert main(["cache"]) == 0
    table, lines = rows(capsys.readouterr().out)
    assert list(table) == [folder.name for folder in reversed(cached.values())]  # oldest first
    row = {name: table[folder.name] for name, folder in cached.items()}
    assert row["values"] == ["0.0 MB", "2 hours", "whole", "values=…"]
    assert row["current"] == ["0.0 MB", "1 days", "whole", "step=3, steps=10, lr=0.125, decay=0.5"]
    assert row["large"][:3] == ["2.5 MB", "2 days", "whole"] and row["large"][3].endswith("size=2500000")
    assert row["user of large"][3] == f"folder={cached['large'].name}, name=a"
    assert row["damaged"][2:] == ["stale", "manifest cannot be read"]
    assert row["unfinished"][2] == "unfinished" and cached["unfinished"].name.endswith(".partial")
    assert {name for name in row if row[name][2] == "stale"} == STALE
    assert re.fullmatch(r"9 artifacts, 2\.5 MB in .*build/quick/cache; 4 of them, 0\.0 MB, are stale", lines[-1])
    assert all(folder.exists() for folder in cached.values())  # listing deletes nothing


def test_prune_deletes_only_what_is_stale(cached, capsys):
    kept = {file: file.read_bytes() for name in cached.keys() - STALE for file in cached[name].rglob("*")}
    assert len(kept) >= 8
    assert main(["cache", "--prune"]) == 0
    assert "deleted 4 stale artifacts" in capsys.readouterr().out
    assert {name for name, folder in cached.items() if not folder.exists()} == STALE
    assert {file: file.read_bytes() for file in kept} == kept
    assert main(["cache", "--prune"]) == 0
    assert "deleted 0 stale artifacts" in capsys.readouterr().out
    cache = ArtifactCache(cached["values"].parent)
    assert cache.artifact(double, (np.arange(3.0),), {}).is_whole()  # found again, as before


def test_cache_of_another_profile_or_folder(cached, project, tmp_path, capsys):
    assert main(["cache", "--profile", "smoke", "--prune"]) == 0
    assert capsys.readouterr().out.startswith("0 artifacts, 0.0 MB in ")
    shutil.copytree(project.path / "build/quick", tmp_path / "elsewhere")
    assert main(["cache", "--out", str(tmp_path / "elsewhere"), "--prune"]) == 0
    assert "elsewhere/cache; 4 of them" in capsys.readouterr().out
    assert all(folder.exists() for folder in cached.values())


def test_settings_are_shown_plainly_and_others_by_kind():
    described = {
        "a": None,
        "b": True,
        "c": "x",
        "d": [1, 2],
        "e": {"artifact": "games-1/episodes"},
        "f": {"function": "wmlib.a.b", "code": "0"},
        "g": {"class": {}, "fields": {"mapping": [["lr", 0.1], ["v", [1]]]}},
    }
    text = cli._settings({"arguments": described})
    assert text == "a=None, b=True, c=x, d=…, e=games-1/episodes, f=b, g=(lr=0.1)"
    assert [cli._size(n) for n in (0, 1_250_000, 3_000_000_000)] == ["0.0 MB", "1.2 MB", "3.0 GB"]
    assert [cli._age(s) for s in (5, 300, 7300, 200_000)] == ["5 seconds", "5 minutes", "2 hours", "2 days"]
