import numpy as np
import pytest
import torch

from wmlib.experiment import paths, seeding


def test_paths_do_not_depend_on_the_working_directory(project, tmp_path, monkeypatch):
    before = paths.root(), paths.output("quick"), paths.figures("quick"), paths.notebooks()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert before == (paths.root(), paths.output("quick"), paths.figures("quick"), paths.notebooks())


def test_only_unredirected_quick_figures_are_the_committed_ones(project, tmp_path, monkeypatch):
    assert paths.figures("quick") == tmp_path / "figures"
    assert paths.figures("smoke") == tmp_path / "build/smoke/figures"
    monkeypatch.setenv("WMLIB_OUT", str(tmp_path / "elsewhere"))
    assert paths.figures("quick") == paths.figures("paper") == tmp_path / "elsewhere/figures"


def test_a_root_without_a_project_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("WMLIB_ROOT", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="set WMLIB_ROOT"):
        paths.root()


def test_streams_depend_on_seed_and_every_name():
    draws = {
        tuple(seeding.generator(seed, *names).integers(0, 2**62, 3))
        for seed in (0, 1, 11)
        for names in ((), ("data",), ("data", 1), ("data", 11), ("data1",), ("init",))
    }
    assert len(draws) == 18


def test_streams_repeat_and_are_known_for_good():
    assert seeding.generator(1, "data").random() == seeding.generator(np.int64(1), "data").random()
    # a change of this number would silently change every result of the project
    assert seeding.entropy(1, "data") == 0xBFFBC11FE81AE402DF28A19C6DCA27A0
    a, b = (torch.rand(3, generator=seeding.torch_generator(1, "init")) for _ in range(2))
    assert torch.equal(a, b)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed: got"):
        seeding.generator(seed, "data")
