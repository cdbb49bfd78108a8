"""Checkpoints: any tree comes back equal, training goes on to the same bits, damage is found."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import nn

from wmlib.experiment import checkpoint
from wmlib.experiment.checkpoint import CheckpointError

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    arrays(st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]), array_shapes(min_dims=0, max_side=3)),
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


def equal(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.shape == b.shape
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(trees)
def test_any_tree_comes_back_equal(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "tree.safetensors"
    checkpoint.save(path, tree)
    assert equal(checkpoint.load(path), tree)


def test_tensors_keep_type_and_layout_is_no_matter(tmp_path):
    shared = torch.arange(6.0)
    tree = {"t": torch.ones(2, 3).T, "half": torch.ones(2, dtype=torch.bfloat16), "a": shared, "b": shared[2:]}
    checkpoint.save(tmp_path / "x", tree)
    back = checkpoint.load(tmp_path / "x")
    assert all(torch.equal(back[k], tree[k]) and back[k].dtype == tree[k].dtype for k in tree)


def test_generators_go_on_where_they_were(tmp_path):
    rng, torch_rng = np.random.default_rng(3), torch.Generator().manual_seed(3)
    rng.random(5), torch.rand(5, generator=torch_rng)
    checkpoint.save(tmp_path / "x", {"n": rng, "t": torch_rng})
    back = checkpoint.load(tmp_path / "x")
    assert back["n"].random() == rng.random()
    assert torch.equal(torch.rand(7, generator=back["t"]), torch.rand(7, generator=torch_rng))


def train(steps, path):
    """Train a small network with dropout and a random batch order up to `steps`, going on from a checkpoint."""
    init = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 2))
    for p in model.parameters():
        nn.init.normal_(p, generator=init)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    noise, order, step = torch.Generator().manual_seed(2), np.random.default_rng(2), 0
    state = checkpoint.load(path, {"hidden_size": 7})
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        noise, order, step = state["noise"], state["order"], state["step"]
    while step < steps:
        x = torch.randn(5, 3, generator=noise)[torch.from_numpy(order.permutation(5))]
        loss = (model(x) - x[:, :2]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        step += 1
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    checkpoint.save(path, {**parts, "noise": noise, "order": order, "step": step}, {"hidden_size": 7})
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_ten_steps_are_five_a_stop_and_five(tmp_path):
    whole = train(10, tmp_path / "whole")
    train(5, tmp_path / "halves")
    assert torch.equal(train(10, tmp_path / "halves"), whole)
    assert not torch.equal(train(5, tmp_path / "fresh"), whole)


def test_other_settings_are_refused_with_the_differences(tmp_path):
    checkpoint.save(tmp_path / "x", 1, {"lr": 0.1, "hidden_size": 7})
    with pytest.raises(CheckpointError, match=r"lr: 0.1 there, 0.2 here; seed: 'absent' there, 1 here"):
        checkpoint.load(tmp_path / "x", {"lr": 0.2, "hidden_size": 7, "seed": 1})


def test_absent_is_none(tmp_path):
    assert checkpoint.load(tmp_path / "nothing") is None


@pytest.mark.parametrize("damage", ["truncated", "flipped byte in the tensors", "flipped digit in the header", "emptied"])
def test_damage_is_found(tmp_path, damage):
    path = tmp_path / "x"
    checkpoint.save(path, {"step": 12345, "weights": torch.arange(1000.0)})
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-17]
    elif damage == "emptied":
        content = b""
    elif damage.endswith("header"):
        content = content.replace(b"12345", b"12346")
    else:
        content[-17] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged.*delete it to start again"):
        checkpoint.load(path)


def test_what_cannot_be_stored_is_named_and_nothing_is_left(tmp_path):
    with pytest.raises(TypeError, match=r"state\['a'\]\[1\]: a set cannot be stored"):
        checkpoint.save(tmp_path / "x", {"a": [1, {2}]})
    assert not os.listdir(tmp_path)


KILLED = """
import os, sys, torch
from pathlib import Path
from wmlib.experiment import checkpoint
step = 0
while True:
    step += 1
    checkpoint.save(Path(sys.argv[1]), {"step": step, "w": torch.full((20000,), float(step))})
    print(step, flush=True)
"""


def test_a_kill_in_mid_write_leaves_a_whole_checkpoint(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        step = int(process.stdout.readline())
    process.kill()
    process.wait()
    state = checkpoint.load(tmp_path / "x")
    assert state["step"] >= step
    assert (state["w"] == state["step"]).all()


@pytest.mark.parametrize("wrong", ["a folder", "a link to nowhere"])
def test_what_is_there_and_no_file_is_not_taken_for_nothing(tmp_path, wrong):
    path = tmp_path / "x"
    path.mkdir() if wrong == "a folder" else path.symlink_to("nowhere")
    with pytest.raises(CheckpointError, match=r"x (is a folder|cannot be read); delete it to start again"):
        checkpoint.load(path)
    checkpoint.save(path, 3)
    assert checkpoint.load(path) == 3
