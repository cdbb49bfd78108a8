"""What a model and a policy can do, against a world that is known to the last cell."""

import numpy as np
import pytest
import torch

from wmlib.agents.frame_dreams import FrameDreams
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.envs.grid.levels import LEVELS, moves
from wmlib.envs.grid.navigation import draw
from wmlib.lessons.neural_computer_agent import measures
from wmlib.lessons.neural_computer_agent.baselines import _flat_space
from wmlib.models.frame_model import FrameModel
from wmlib.models.specs import CoreConfig

LAYOUT = LEVELS[6][3]


def still_model():
    """A model that says "nothing changes": untrained."""
    return FrameModel(CoreConfig("lstm", 4), (3, 6, 6), 4, generator=torch.Generator().manual_seed(0))


def test_all_moves_from_all_free_cells_but_the_goal():
    steps = measures.transitions(LAYOUT)
    assert len(steps.actions) == 4 * (36 - LAYOUT.sum() - 1)
    assert (steps.frames[:, 0].sum((1, 2)) == 1).all() and (steps.following[:, 0].sum((1, 2)) == 1).all()
    assert ((steps.frames != steps.following).sum((1, 2, 3)) % 2 == 0).all()  # the agent leaves one cell and enters one


def test_a_model_that_changes_nothing_is_right_where_nothing_moves():
    free = [cell for cell in range(35) if not LAYOUT.flat[cell]]
    staying = np.mean([moves(LAYOUT)[cell] == cell for cell in free])
    assert measures.exact_accuracy(still_model(), LAYOUT) == pytest.approx(staying)
    assert measures.exact_accuracy(still_model(), LEVELS[6][0]) == pytest.approx(22 / 140)  # as the exercise says


def test_a_dream_beside_reality_shows_both_after_the_same_moves():
    policy = ActorCritic(_flat_space(6), 4, PolicyConfig((4,)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        policy.policy_head.bias.copy_(torch.tensor([0.0, 9.0, 0.0, 0.0]))  # always down
    first = draw(LEVELS[6][0], 0)[None]
    dreams = FrameDreams(still_model(), lambda count, rng: first, seed=0, max_steps=7, done_threshold=0.999)
    beside = measures.dream_beside_reality(dreams, policy, LEVELS[6][0])
    assert beside["actions"] == [1] * 7 and beside["dream_ends"] is None and beside["real_ends"] is None
    assert beside["dreamt"] == [measures.encode(first[0])] * 8
    assert beside["real"][5] == beside["real"][7] == measures.encode(draw(LEVELS[6][0], 30))
    assert beside["predicted"] == beside["real"][:7]  # nothing changes, it says, from each true frame
