"""Compiled code on disk is that of the sources as they are now."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import njit, types

import wmlib
import wmlib.envs.pixelcopter.rules
import wmlib.envs.pixelcopter.views
import wmlib.envs.pommerman.players
import wmlib.envs.pommerman.rules
import wmlib.envs.pommerman.views
from wmlib.envs import compiled, pixelcopter, pommerman

ROOT = Path(wmlib.__file__).parent

LIFE = """
from wmlib.envs.compiled import outer
from wmlib.envs.some.layout import LIFE
@outer
def life():
    return LIFE
"""
PRINT = "from wmlib.envs.some import life; print(life.life(), sum(life.life.stats.cache_hits.values()))"


def test_a_number_of_another_module_that_changed_is_compiled_anew_and_one_that_did_not_is_found(tmp_path):
    """In a small package, with a module that is compiled, found again, and whose neighbour is then changed."""
    package = tmp_path / "wmlib/envs/some"
    package.mkdir(parents=True)
    for folder in (tmp_path / "wmlib", tmp_path / "wmlib/envs", package):
        (folder / "__init__.py").touch()
    shutil.copy(ROOT / "envs/compiled.py", tmp_path / "wmlib/envs/compiled.py")
    (package / "life.py").write_text(LIFE)
    layout = package / "layout.py"
    layout.write_text("LIFE = 10\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "compiled")}

    def run():
        done = subprocess.run([sys.executable, "-c", PRINT], env=env, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        life, hits = map(int, done.stdout.split())
        return life, hits > 0

    assert run() == (10, False)
    assert run() == (10, True)
    layout.write_text("LIFE = 77\n")
    assert run() == (77, False)


@pytest.mark.parametrize(
    ("folder", "modules", "least"),
    [
        ("pixelcopter", (pixelcopter.rules, pixelcopter.views), 4),
        ("pommerman", (pommerman.rules, pommerman.views, pommerman.players), 5),
    ],
)
def test_all_compiled_modules_have_the_stamp_of_their_folder(folder, modules, least):
    outer = [f for m in modules for f in vars(m).values() if getattr(f, "_cache", None) is not None]
    outer = [f for f in outer if hasattr(f._cache, "_cache_file")]
    assert len(outer) >= least
    assert {f._cache._cache_file._source_stamp for f in outer} == {compiled.folder_stamp(ROOT / "envs" / folder)}


def test_inner_functions_work_inside_compiled_ones_and_nowhere_else():
    @compiled.inner
    def twice(x):
        return 2 * x

    @compiled.inlined
    def more(x):
        return x + 1

    both = njit(lambda x: more(twice(x)))
    assert both(3) == 7 and both.nopython_signatures[0].return_type == types.int64
    with pytest.raises(TypeError, match="is for compiled functions alone"):
        twice(3)
