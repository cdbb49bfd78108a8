"""The shipped models of the notebook: made by one call, rounded, and as good as the manifest says."""

from types import SimpleNamespace

import numpy as np
import torch

from wmlib import weights
from wmlib.agents.experience import Episode
from wmlib.envs.grid.levels import LEVELS
from wmlib.envs.grid.navigation import draw
from wmlib.lessons.neural_computer_agent import measures, shipped


def test_what_is_made_is_saved_and_loads(tmp_path):
    shipped.make(tmp_path, "smoke", "smoke")
    assert weights.names(tmp_path) == ["corridor_model", "grid_model", "grid_policy"]
    for name in weights.names(tmp_path):
        part, entry = weights.load(name, tmp_path)
        assert all(parameter.dtype == torch.float32 for parameter in part.parameters())
        assert "profile smoke, seed 1" in entry["made"] and "training seed " in entry["made"] and entry["scores"]


def test_rounding_leaves_the_original_and_is_what_half_precision_keeps():
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    copy = shipped.rounded(layer)
    assert torch.equal(layer.weight, before) and torch.equal(copy.weight, before.half().float())


def test_the_shipped_grid_model_and_policy_are_as_good_as_the_manifest_says():
    model, entry = weights.load("grid_model")
    policy, _ = weights.load("grid_policy")
    scores = shipped.grid_scores(model, policy, tuple(range(7)), 6, 96)
    assert scores.items() <= entry["scores"].items()
    exact = entry["scores"]["moves predicted exactly, levels 0 to 6"]
    assert min(exact) > 0.92 and np.mean(exact) > 0.96
    wrong = sum(len(shipped.wrong_moves(model, layout)) for layout in LEVELS[6])
    assert wrong == entry["scores"]["moves predicted wrong"]


def test_the_shipped_corridor_model_is_as_good_as_the_manifest_says():
    model, entry = weights.load("corridor_model")
    scores = shipped.corridor_scores(model, (8, 1), seed=5)
    assert list(scores) == [name for name in entry["scores"]]
    assert min(scores.values()) >= 0.95


def test_wrong_moves_are_those_that_lower_the_accuracy():
    model, _ = weights.load("grid_model")
    for layout in LEVELS[6]:
        wrong = shipped.wrong_moves(model, layout)
        moves = len(measures.transitions(layout).actions)
        assert np.isclose(measures.exact_accuracy(model, layout), 1 - len(wrong) / moves)
        assert all(not layout.flat[cell] and 0 <= action < 4 for cell, action in wrong)


def test_moves_made_are_those_of_one_level():
    frames = np.stack([draw(LEVELS[6][1], cell) for cell in (0, 6, 6, 12)])
    episode = SimpleNamespace(level=1, frames=frames, actions=np.array([1, 2, 1]), length=3)
    other = Episode(0, frames, np.array([0, 0, 0]), np.zeros(3, np.float32), False)
    assert shipped.moves_made([episode, other], 1) == {(0, 1), (6, 2), (6, 1)}
