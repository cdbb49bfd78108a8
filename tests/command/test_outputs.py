"""One run at a time writes a notebook's outputs, and nothing but an executed copy is replaced by one."""

import json
import os
import subprocess
import sys
import threading

import pytest

from wmlib.command import outputs
from wmlib.experiment.settings import SettingError


@pytest.fixture
def place(tmp_path):
    """Where an executed copy and its figures go."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "figures").mkdir()
    return tmp_path / "notebooks/01_good.ipynb", tmp_path / "figures"


def test_a_second_run_is_refused_with_the_number_of_the_first(place):
    held = outputs.hold(*place)
    with pytest.raises(SettingError, match=rf"01_good: process {os.getpid()} is running it into {place[1].parent}; .*--out"):
        outputs.hold(*place)
    other = outputs.hold(place[0].with_name("02_other.ipynb"), place[1])
    os.close(other)
    os.close(held)
    os.close(outputs.hold(*place))


def test_the_outputs_stay_held_while_a_child_of_a_killed_run_lives(place, monkeypatch):
    code = "import os, subprocess, sys; from pathlib import Path; from wmlib.command import outputs\n"
    code += f"held = outputs.hold(Path({str(place[0])!r}), Path({str(place[1])!r}))\n"
    code += "child = subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[held]); os._exit(0)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    process.wait(60)
    monkeypatch.setattr(outputs, "PATIENCE", 0.3)
    with pytest.raises(SettingError, match=f"process {process.pid} is running it"):
        outputs.hold(*place)
    monkeypatch.setattr(outputs, "PATIENCE", 30.0)
    process.stdin.close()  # now the child ends
    os.close(outputs.hold(*place))


def test_what_a_killed_run_left_half_written_is_removed(place):
    executed, figures = place
    left = [executed.parent / ".01_good.ipynb.abc.tmp", figures / ".x.png.abc.tmp"]
    kept = [executed.parent / ".02_other.ipynb.abc.tmp", figures / "x.png", figures / "x.tmp"]
    for path in [*left, *kept]:
        path.touch()
    os.close(outputs.hold(executed, figures))
    assert not any(path.exists() for path in left) and all(path.exists() for path in kept)


def test_one_process_builds_a_gallery_and_the_next_waits_and_cleans_up(tmp_path, monkeypatch):
    gallery = tmp_path / "{x} gallery"
    left, kept = gallery.with_name(".{x} gallery-old-abc"), gallery.with_name(".gallery-abc")
    for folder in (left, kept):
        (folder / "gallery").mkdir(parents=True)
    held = outputs.hold_gallery(gallery, tmp_path)
    assert not left.exists() and kept.exists()
    monkeypatch.setattr(outputs, "PATIENCE", 0.3)
    with pytest.raises(SettingError, match=rf"gallery: process {os.getpid()} is building it in {tmp_path}; .*--out"):
        outputs.hold_gallery(gallery, tmp_path)
    monkeypatch.setattr(outputs, "PATIENCE", 30.0)
    timer = threading.Timer(0.3, os.close, [held])
    timer.start()
    os.close(outputs.hold_gallery(gallery, tmp_path))
    timer.join()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"metadata": {}}', '{"metadata": {"papermill": null}}', "\udcff"])
def test_what_is_not_an_executed_copy_is_not_replaced(place, text):
    executed, _ = place
    outputs.check_is_copy(executed)
    executed.write_text(json.dumps({"metadata": {"papermill": {"output_path": "x"}}}))
    outputs.check_is_copy(executed)
    executed.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingError, match=f"out: {executed} is there and is not an executed copy; move it, or .*--out"):
        outputs.check_is_copy(executed)
    executed.unlink()
    executed.symlink_to("nowhere")
    with pytest.raises(SettingError):
        outputs.check_is_copy(executed)


def test_a_file_written_anew_has_another_state(tmp_path):
    file = tmp_path / "x"
    assert outputs.state(file) is None
    file.write_text("x")
    first = outputs.state(file)
    assert first == outputs.state(file)
    (tmp_path / "y").write_text("x")
    os.utime(tmp_path / "y", ns=(first[2], first[2]))
    os.replace(tmp_path / "y", file)
    assert outputs.state(file) != first
