"""The world model on pictures: shapes, steps that equal sequences, a loss computed by hand, and that it learns a moving dot."""

import pytest
import torch
import torch.nn.functional as F

from wmlib.models.frame_model import RARE, FrameModel, FramePrediction, loss
from wmlib.models.specs import CoreConfig

SHAPE = (3, 4, 5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(kind="lstm", seed=0):
    return FrameModel(CoreConfig(kind, hidden_size=8, num_slots=4, word_size=4), SHAPE, 2, 16, generator=generator(seed))


def batch(seed=1, num_steps=6):
    frames = (torch.rand(3, num_steps, *SHAPE, generator=generator(seed)) > 0.5).float()
    return frames, torch.randint(2, (3, num_steps), generator=generator(seed))


@pytest.mark.parametrize("kind", ["feedforward", "lstm", "dnc"])
def test_it_starts_as_nothing_changes(kind):
    frames, actions = batch()
    prediction, _ = made(kind)(frames, actions)
    assert torch.equal(prediction.frames > 0, frames > 0.5)
    assert prediction.reward.shape == prediction.done.shape == (3, 6)


@pytest.mark.parametrize("kind", ["feedforward", "lstm", "dnc"])
@torch.no_grad()
def test_steps_are_the_sequence(kind):
    model = made(kind)
    torch.nn.init.normal_(model.last.weight, generator=generator(3))
    frames, actions = batch()
    whole, _ = model(frames, actions)
    state = model.core.initial_state(3)
    before = torch.full((3,), -1)
    for t in range(frames.shape[1]):
        memory, state = model.see(frames[:, t], before, state)
        logits, reward, done = model.outcome(frames[:, t], memory, actions[:, t])
        before = actions[:, t]
        for ours, theirs in ((logits, whole.frames), (reward, whole.reward), (done, whole.done)):
            torch.testing.assert_close(ours, theirs[:, t], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_the_core_knows_of_a_step_does_not_depend_on_its_action():
    model = made()
    frames, actions = batch()
    others = actions.clone()
    others[:, -1] = 1 - others[:, -1]
    before = torch.full((3,), -1)
    state = model.core.initial_state(3)
    assert torch.equal(model.remember(frames, actions, state, before)[0], model.remember(frames, others, state, before)[0])


def test_the_loss_is_the_sum_of_its_parts_over_the_steps_that_count():
    frames = torch.ones(1, 2, *SHAPE)
    prediction = FramePrediction(torch.full_like(frames, 2.0), torch.tensor([[1.0, 5.0]]), torch.tensor([[-1.0, 3.0]]))
    reward = torch.tensor([[0.5, 0.0]])
    done = torch.tensor([[True, False]])
    losses = loss(prediction, frames, reward, done, torch.tensor([[True, False]]))
    pixels = 60 * F.softplus(torch.tensor(-2.0))
    assert losses.frames == pytest.approx(pixels.item(), rel=1e-5)
    assert losses.reward == pytest.approx(RARE * 0.25)
    assert losses.done == pytest.approx(RARE * F.softplus(torch.tensor(1.0)).item(), rel=1e-5)
    assert losses.total == pytest.approx((losses.frames + losses.reward + losses.done).item())


def test_it_learns_a_dot_that_moves_by_the_action():
    model = FrameModel(CoreConfig("feedforward", hidden_size=16), (1, 5, 5), 2, 16, generator=generator())
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    draws = generator(2)
    for _ in range(150):
        column = torch.randint(1, 4, (32, 1), generator=draws)
        actions = torch.randint(2, (32, 1), generator=draws)
        now = F.one_hot(column, 5).float().view(32, 1, 1, 1, 5).expand(-1, -1, -1, 5, -1).contiguous()
        after = F.one_hot(column + 2 * actions - 1, 5).float().view(32, 1, 1, 1, 5).expand(-1, -1, -1, 5, -1).contiguous()
        done = (column + 2 * actions - 1) == 4
        prediction, _ = model(now, actions)
        losses = loss(prediction, after, done.float(), done, torch.ones_like(done))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    assert ((prediction.frames > 0) == (after > 0.5)).float().mean() > 0.99
    assert ((prediction.done > 0) == done).float().mean() > 0.95


def test_wrong_shapes_are_refused():
    model = made()
    frames, actions = batch()
    with pytest.raises(ValueError, match=r"they must be \(B, T, 3, 4, 5\) and \(B, T\)"):
        model(frames[..., :4], actions)
    with pytest.raises(ValueError, match="they must be"):
        model(frames, actions[:, :3])
    with pytest.raises(ValueError, match="num_actions is 0"):
        FrameModel(CoreConfig(), SHAPE, 0, generator=generator())


@torch.no_grad()
def test_predictions_that_do_not_hear_the_core_depend_on_nothing_it_saw():
    model = made()
    torch.nn.init.normal_(model.last.weight, generator=generator(3))
    frames, actions = batch()
    others = frames.clone()
    others[:, :-1] = 1 - others[:, :-1]
    heard = torch.tensor([True, False, False])
    ours, theirs = (model(each, actions, heard=heard)[0] for each in (frames, others))
    for name in FramePrediction._fields:
        same = [torch.equal(getattr(ours, name)[row, -1], getattr(theirs, name)[row, -1]) for row in range(3)]
        assert same == [False, True, True]
