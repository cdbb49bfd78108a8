"""Compiled code on disk is that of the sources as they are now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from numba import types

import wmlib
from wmlib.envs.pommerman import compiled, players, rules, views
from wmlib.envs.pommerman.layout import BOMB_LIFE

ROOT = Path(wmlib.__file__).parent

LIFE = """
from wmlib.envs.pommerman.compiled import outer
from wmlib.envs.pommerman.layout import BOMB_LIFE
@outer
def life():
    return BOMB_LIFE
"""
PRINT = "from wmlib.envs.pommerman import life; print(life.life(), sum(life.life.stats.cache_hits.values()))"


def test_a_number_of_the_layout_that_changed_is_compiled_anew_and_one_that_did_not_is_found(tmp_path):
    """In a copy of the package, with a module that is compiled, found again, and whose layout is then changed."""
    package = tmp_path / "wmlib/envs/pommerman"
    package.mkdir(parents=True)
    for folder in (tmp_path / "wmlib", tmp_path / "wmlib/envs", package):
        (folder / "__init__.py").touch()
    for name in ("compiled.py", "layout.py"):
        shutil.copy(ROOT / "envs/pommerman" / name, package / name)
    (package / "life.py").write_text(LIFE)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}

    def run():
        done = subprocess.run([sys.executable, "-c", PRINT], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        life, hits = map(int, done.stdout.split())
        return life, hits > 0

    assert run() == (BOMB_LIFE, False)
    assert run() == (BOMB_LIFE, True)
    layout = package / "layout.py"
    layout.write_text(layout.read_text() + "\nBOMB_LIFE = 77\n")
    assert run() == (77, False)


def test_all_compiled_modules_have_the_stamp_of_the_package():
    outer = [f for m in (rules, views, players) for f in vars(m).values() if getattr(f, "_cache", None) is not None]
    outer = [f for f in outer if hasattr(f._cache, "_cache_file")]
    assert len(outer) >= 5
    assert {f._cache._cache_file._source_stamp for f in outer} == {compiled.package_stamp()}


def test_inner_functions_work_inside_compiled_ones():
    @compiled.inner
    def twice(x):
        return 2 * x

    @compiled.inlined
    def more(x):
        return x + 1

    from numba import njit

    both = njit(lambda x: more(twice(x)))
    assert both(3) == 7 and both.nopython_signatures[0].return_type == types.int64
