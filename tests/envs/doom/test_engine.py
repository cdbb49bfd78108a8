"""The Doom engine as a process: an episode is its seed and its actions, whatever happens to the process that plays it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from wmlib.envs.doom.engine import ATTEMPTS, DoomEngine

ROOT = Path(__file__).parents[3]
BUTTONS = ((1, 0), (0, 0), (0, 1))


@pytest.fixture
def make():
    made = []

    def make(size=(160, 120)):
        made.append(DoomEngine("take_cover", size, {"doom_skill": 4}))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def below(process):
    """Return the engine processes below a process."""
    children = process.children(recursive=True)
    return [p for p in children if p.status() != psutil.STATUS_ZOMBIE and Path(p.cmdline()[0]).name == "vizdoom"]


@pytest.fixture
def processes():
    """A function that returns the engine processes of this test: other tests' worker processes may have their own."""
    others = {process.pid for process in below(psutil.Process())}
    return lambda: [process for process in below(psutil.Process()) if process.pid not in others]


def kill(process):
    os.kill(process.pid, signal.SIGKILL)


def actions(count):
    numbers = np.random.default_rng(5).integers(3, size=count).repeat(7)[:count].tolist()
    return [BUTTONS[number] for number in numbers]


def play(engine, seed, count=60, before=lambda tic: None):
    """Return the frames of an episode."""
    engine.begin(seed)
    frames = [engine.frame.copy()]
    for tic, buttons in enumerate(actions(count)):
        before(tic)
        engine.advance(buttons)
        frames.append(engine.frame.copy())
    return np.stack(frames)


def test_an_episode_depends_on_its_seed_and_actions_alone(make):
    engine = make()
    first, other = play(engine, 9), play(engine, 10)
    assert first.shape == (61, 120, 160, 3) and first.dtype == np.uint8 and not engine.over
    assert not np.array_equal(first, other)
    assert np.array_equal(play(engine, 9), first) and np.array_equal(play(make(), 9), first)


def test_a_killed_engine_is_replaced_and_the_episode_goes_on(make, processes):
    engine = make()
    undisturbed = play(engine, 9)

    def kill_sometimes(tic):
        if tic in (0, 1, 33):
            (process,) = processes()
            kill(process)

    assert np.array_equal(play(engine, 9, before=kill_sometimes), undisturbed)
    kill(processes()[0])
    assert np.array_equal(play(engine, 9), undisturbed)  # a new episode recovers too


def test_a_second_engine_follows_the_first(make):
    engine, camera = make(), make((640, 480))
    engine.begin(8)
    for tic, buttons in enumerate(actions(30)):
        engine.advance(buttons)
        if tic in (0, 3, 4, 29):
            camera.follow(engine)
            assert camera.actions == engine.actions and camera.frame.shape == (480, 640, 3)
            small = camera.frame.reshape(120, 4, 160, 4, 3).mean((1, 3))
            assert np.abs(small - engine.frame).mean() < 12


def test_an_engine_that_keeps_dying_ends_in_one_clear_error(make, processes, monkeypatch):
    engine, launch = make(), DoomEngine._launch
    engine.begin(9)

    def launch_and_kill(self):
        engine = launch(self)
        kill(processes()[0])
        return engine

    kill(processes()[0])
    monkeypatch.setattr(DoomEngine, "_launch", launch_and_kill)
    with pytest.raises(RuntimeError, match=rf"engine died {ATTEMPTS} times at tic 1 of the episode of seed 9"):
        engine.advance(BUTTONS[1])
    monkeypatch.undo()
    engine.advance(BUTTONS[1])  # and it can go on


def test_nothing_is_left_of_a_closed_engine(make, processes, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    engine = make()
    engine.begin(1)
    assert len(processes()) == 1
    engine.close()
    engine.close()
    assert not processes() and [p.name for p in tmp_path.rglob("*")] == ["here"]
    engine.begin(1)  # a closed one may be used again
    engine.close()


def test_a_killed_process_leaves_no_engine_and_no_files(tmp_path):
    source = (
        "from wmlib.envs.doom.engine import DoomEngine; engine = DoomEngine('take_cover', (160, 120), {}); "
        "engine.begin(1); print('on', flush=True); input()"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", source], cwd=ROOT, env=environment, **pipes)
    assert process.stdout.readline() == "on\n"
    (engine,) = below(psutil.Process(process.pid))
    assert list(tmp_path.iterdir())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while (engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE) or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline, f"{engine} or {list(tmp_path.iterdir())} is still there"
        time.sleep(0.05)


def test_without_vizdoom_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(ImportError, match=r"the extra `doom`.*pip install"):
        DoomEngine("take_cover", (160, 120), {})
