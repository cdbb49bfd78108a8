"""The process of the Doom engine: whatever is wrong with it or with the place, one clear error or the same game."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from wmlib.envs.doom import process
from wmlib.envs.doom.engine import DoomEngine
from wmlib.envs.doom.process import EngineError, EngineKilled, EngineProcess, check_surroundings, find_launcher
from wmlib.experiment import processes

vizdoom = pytest.importorskip("vizdoom")
PACKAGE = Path(vizdoom.__file__).parent
READY = b'import sys; sys.stdout.write("ready" if sys.argv[1:] == ["--test"] else "no"); sys.stdout.flush()\n'


def frames(engine, seed=4):
    """Return the first frames of an episode."""
    engine.begin(seed)
    seen = [engine.frame.copy()]
    for buttons in ((1, 0), (0, 0), (0, 1)):
        engine.advance(buttons)
        seen.append(engine.frame.copy())
    return np.stack(seen)


@pytest.fixture
def engine():
    engine = DoomEngine("take_cover", (160, 120), {"doom_skill": 4})
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def expected():
    engine = DoomEngine("take_cover", (160, 120), {"doom_skill": 4})
    seen = frames(engine)
    engine.close()
    return seen


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function that copies vizdoom's files into a folder of this name, for the engines of this test; it returns its path."""

    def copy(name="package"):
        folder = tmp_path / name / "vizdoom"
        (folder / "scenarios").mkdir(parents=True)
        (tmp_path / name / "vizdoom.libs").symlink_to(PACKAGE.parent / "vizdoom.libs")
        files = ("vizdoom", "vizdoom.pk3", "freedoom2.wad", "scenarios/take_cover.wad", "scenarios/take_cover.cfg")
        for file in files:
            (folder / file).hardlink_to(PACKAGE / file)
        monkeypatch.setattr(vizdoom, "__file__", str(folder / "__init__.py"))
        return folder

    return copy


def replace(path, text, mode=0o755):
    path.unlink()  # a link to the real one
    path.write_bytes(text)
    path.chmod(mode)


@pytest.mark.parametrize("name", ["a 'b' \"c\"", "$HOME `tick` {x};", "two\nlines", "größe", os.fsdecode(b"\xff")])
def test_it_plays_the_same_wherever_the_package_lies(engine, package, expected, name):
    package(name)
    assert np.array_equal(frames(engine), expected)


def test_without_files_in_memory_a_script_does(engine, monkeypatch, tmp_path, expected):
    (tmp_path / "it's a $place").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "it's a $place"))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert np.array_equal(frames(engine), expected)


@pytest.mark.parametrize("make", [process._in_memory, process._in_folder])
def test_a_launcher_has_run_before_it_is_used(make, tmp_path, monkeypatch):
    others = {process._in_memory, process._in_folder} - {make}
    for other in others:
        monkeypatch.setattr(process, other.__name__, lambda *_: (str(tmp_path), []))
    alive = os.open(os.devnull, os.O_RDONLY)
    path, descriptors = find_launcher(READY, tmp_path, alive)
    assert path != str(tmp_path)
    with pytest.raises(EngineError, match=r"neither from memory .* nor from .*TMPDIR.*noexec"):
        find_launcher(b"raise SystemExit(3)", tmp_path, alive)
    for descriptor in (alive, *descriptors):
        os.close(descriptor)


def test_an_engine_that_cannot_be_run_is_named(engine, package):
    replace(package() / "vizdoom", b"no engine", mode=0o644)
    with pytest.raises(EngineError, match=r"Doom engine .*package/vizdoom/vizdoom .*Permission denied.*pip install"):
        engine.begin(1)


def test_what_an_engine_that_ends_has_said_is_told(engine, package):
    replace(package() / "vizdoom", b"#!/bin/sh\necho cannot find libfoo.so.1\nexit 127\n")
    with pytest.raises(EngineError, match=r"exit status 127 \(cannot find libfoo.so.1\)"):
        engine.begin(1)


def test_an_engine_that_is_killed_at_its_start_is_tried_again(engine, package, tmp_path, expected):
    folder = package()
    killed = tmp_path / "killed"
    script = f'#!/bin/sh\n[ -e {killed} ] || {{ touch {killed}; kill -9 $$; }}\nexec {PACKAGE}/vizdoom "$@"\n'
    replace(folder / "vizdoom", script.encode())
    assert np.array_equal(frames(engine), expected) and killed.exists()
    engine.close()
    replace(folder / "vizdoom", b"#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(RuntimeError, match=r"died 3 times .*did not start: signal 9"):
        engine.begin(1)


def test_an_engine_that_never_answers_is_given_up(engine, package, monkeypatch):
    monkeypatch.setattr(process, "STARTS_WITHIN", 0.3)
    replace(package() / "vizdoom", b"#!/bin/sh\nexec sleep 1000\n")
    with pytest.raises(EngineError, match=r"no answer for 0.3 s, is it stopped"):
        engine.begin(1)
    assert not any("sleep" in child.name() for child in psutil.Process().children(recursive=True) if child.status() != "zombie")


def test_a_stopped_engine_is_replaced_and_ended(engine, monkeypatch, expected):
    monkeypatch.setattr(process, "ANSWERS_WITHIN", 0.4)
    frames(engine)
    os.kill(engine._process._engine, signal.SIGSTOP)
    assert np.array_equal(frames(engine), expected)
    os.kill(engine._process._engine, signal.SIGSTOP)
    start = time.monotonic()
    engine.close()
    assert time.monotonic() - start < 10


def test_silence_again_and_again_is_one_clear_error(engine, monkeypatch):
    monkeypatch.setattr(process, "ANSWERS_WITHIN", 0.2)
    launch = DoomEngine._launch

    def launch_and_stop(self):
        running = launch(self)
        os.kill(running._engine, signal.SIGSTOP)
        return running

    monkeypatch.setattr(DoomEngine, "_launch", launch_and_stop)
    with pytest.raises(RuntimeError, match=r"died 3 times at tic 0 .*no answer for 0.2 s"):
        engine.begin(3)


def test_an_idle_engine_is_left_alone(engine, monkeypatch):
    monkeypatch.setattr(process, "ANSWERS_WITHIN", 0.1)
    engine.begin(1)
    running = engine._process
    time.sleep(0.4)
    engine.advance((0, 0))
    assert engine._process is running and not running.silent


@pytest.mark.parametrize("file", ["freedoom2.wad", "vizdoom.pk3", "scenarios/take_cover.wad", "scenarios/take_cover.cfg"])
@pytest.mark.parametrize("damage", ["missing", "one bit"])
def test_a_missing_or_damaged_file_is_named(engine, package, file, damage):
    path = package() / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage == "one bit":
        path.write_bytes(content)
    words = "No such file" if damage == "missing" else "is damaged"
    with pytest.raises(EngineError, match=f"{path}.*{words}.*pip install"):
        engine.begin(1)


def test_files_of_another_version_are_not_compared(package, monkeypatch):
    folder = package()
    replace(folder / "scenarios/take_cover.cfg", b"living_reward = 2\n")
    process.check_installation(folder, "0.0.0", "take_cover")
    with pytest.raises(EngineError, match="damaged"):
        process.check_installation(folder, vizdoom.__version__, "take_cover")


def test_files_in_the_current_folder_do_not_change_the_game(engine, tmp_path, monkeypatch, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "doom2.wad").write_bytes(b"another game")
    assert np.array_equal(frames(engine), expected)
    engine.close()
    (tmp_path / "_vizdoom.cfg").touch()
    with pytest.raises(EngineError, match=r"_vizdoom.cfg.*rename it"):
        engine.begin(1)


def test_too_little_shared_memory_is_said_before(monkeypatch):
    check_surroundings(1000)
    with pytest.raises(EngineError, match=r"/dev/shm: \d+ KiB are free, the Doom engine needs .*--shm-size"):
        check_surroundings(1 << 60)


def test_without_a_temporary_folder_tmpdir_is_named(engine, tmp_path, monkeypatch):
    for name in ("missing", "two\nlines"):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
        with pytest.raises(EngineError, match="TMPDIR"):
            engine.begin(1)
        (tmp_path / "two\nlines").mkdir(exist_ok=True)


def test_a_forked_process_does_not_end_the_engine_of_its_parent(engine):
    engine.begin(1)
    child = os.fork()
    if not child:
        engine.close()
        os._exit(0)
    os.waitpid(child, 0)
    running = engine._process
    engine.advance((0, 0))
    assert engine._process is running


def test_what_a_failed_start_has_opened_is_closed(package):
    replace(package() / "scenarios/take_cover.cfg", b"")
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(EngineError, match="damaged"):
            EngineProcess("take_cover", (160, 120), lambda game: None)
    assert sorted(os.listdir("/proc/self/fd")) == before and issubclass(EngineKilled, EngineError)


def test_what_a_killed_watcher_leaves_is_swept(tmp_path):
    code = (
        "import time; from wmlib.envs.doom.engine import DoomEngine\n"
        "engine = DoomEngine('take_cover', (160, 120), {}); engine.begin(1); print(engine._process._folder, flush=True)\n"
        "time.sleep(100)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as owner:
        folder = Path(owner.stdout.readline().strip())
        launcher, instance = (folder / "launcher").read_text().split()
        [watcher] = holders(folder) - {owner.pid}
        os.kill(watcher, signal.SIGSTOP)
        os.killpg(int(launcher), signal.SIGKILL)
        owner.kill()
    shared = list(Path("/dev/shm").glob(f"ViZDoom*{instance}"))
    assert folder.parent == tmp_path and shared
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path))
        processes.sweep()
        assert folder.exists() and all(path.exists() for path in shared)  # the watcher may still need it
        killed = psutil.Process(watcher)
        killed.kill()
        psutil.wait_procs([killed], timeout=10)
        processes.sweep()
    assert not folder.exists() and not any(path.exists() for path in shared)


def holders(folder):
    """Return the processes that have a folder open."""
    found = set()
    for number in psutil.pids():
        try:
            files = [file.readlink() for file in Path(f"/proc/{number}/fd").iterdir()]
        except OSError:
            continue
        if folder in files:
            found.add(number)
    return found
