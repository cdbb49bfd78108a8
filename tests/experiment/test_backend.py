"""Parallel work on a Dask cluster of two processes gives what processes of this machine give; wrong requests are refused."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from dask.distributed import Client, LocalCluster

from wmlib.experiment import backend
from wmlib.experiment.run import Run
from wmlib.experiment.settings import SettingError
from wmlib.lessons.vae import pipeline
from wmlib.training.vae import WEIGHTED

CONFIGS = [
    pipeline.TrainingConfig(WEIGHTED, frames=210, training_seed=i, latent_size=3, channels=1, batch_size=1) for i in range(2)
]


@pytest.fixture
def scheduler():
    """Address of a scheduler with two workers, each a process of its own."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield cluster.scheduler_address
        backend.use("loky")


def train(folder, monkeypatch):
    """Collect ten episodes and train two VAEs as the environment says where; return run, episodes and weights."""
    monkeypatch.setenv("WMLIB_OUT", str(folder))
    run = Run("04_vae", "smoke", 1, "cpu")
    data = pipeline.episodes(run, 10)
    folders = pipeline.train(run, data, CONFIGS)
    return run, data, [pipeline.load_vae(*pair).state_dict() for pair in zip(folders, CONFIGS, strict=True)]


def test_a_cluster_changes_no_bit(scheduler, tmp_path, monkeypatch):
    run, data, expected = train(tmp_path / "loky", monkeypatch)
    assert run.backend == "loky"
    monkeypatch.setenv("WMLIB_BACKEND", "dask")
    monkeypatch.setenv("WMLIB_SCHEDULER", scheduler)
    run, other_data, weights = train(tmp_path / "dask", monkeypatch)
    assert run.backend == "dask" and np.array_equal(data.lengths, other_data.lengths)
    rows = np.arange(len(data))
    assert np.array_equal(data.frames(rows), other_data.frames(rows))
    for ours, others in zip(expected, weights, strict=True):
        assert all(torch.equal(value, others[name]) for name, value in ours.items())
    assert not torch.equal(expected[0]["features.weight"], expected[1]["features.weight"])
    with Client(scheduler, set_as_default=False) as client:
        transitions = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    assert transitions > 10  # the work was done there


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("ray", None, "backend: got 'ray'; allowed are loky, dask"),
        ("dask", None, "--backend dask and --scheduler ADDRESS"),
        ("loky", "tcp://127.0.0.1:1", "--backend dask and --scheduler ADDRESS"),
        ("dask", "tcp://127.0.0.1:1", "scheduler: nobody answers at tcp://127.0.0.1:1"),
    ],
)
def test_wrong_requests_are_refused(name, address, message, monkeypatch):
    monkeypatch.setattr(backend, "SECONDS", 1)
    with pytest.raises(SettingError, match=message):
        backend.use(name, address)


def test_the_command_line_refuses_a_wrong_pair_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "wmlib", "01", "--profile", "smoke", "--backend", "dask"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.startswith("wmlib: backend, scheduler:") and done.stderr.count("\n") == 1
