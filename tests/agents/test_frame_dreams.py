"""Dreams of frames equal the model step by step, the guards hold, and the environment is as Gymnasium wants it."""

import numpy as np
import pytest
import torch

from wmlib.agents.frame_dreams import FrameDreamEnv, FrameDreams, observation_space
from wmlib.models.frame_model import FrameModel
from wmlib.models.specs import CoreConfig

SHAPE = (3, 4, 4)


def model(kind="dnc"):
    generator = torch.Generator().manual_seed(0)
    made = FrameModel(CoreConfig(kind, hidden_size=8, num_slots=4, word_size=4), SHAPE, 3, 16, generator=generator)
    torch.nn.init.normal_(made.last.weight, 0.0, 2.0, generator=generator)
    return made


def starts(count, rng):
    return (rng.random((count, 4, 4, 3)) > 0.5).astype(np.uint8) * 255


@pytest.mark.parametrize("setting, value", [("done_threshold", 1.0), ("done_threshold", 0.0), ("max_steps", 0)])
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        dreams(**{setting: value})


def dreams(kind="dnc", **options):
    return FrameDreams(model(kind), starts, seed=1, max_steps=options.pop("max_steps", 20), **options)


@pytest.mark.parametrize("kind", ["feedforward", "lstm", "dnc"])
@torch.no_grad()
def test_a_dream_is_the_model_fed_with_its_own_frames(kind):
    ours = dreams(kind)
    ours.begin([0, 1])
    frames = ours.frames
    actions = torch.randint(3, (6, 2), generator=torch.Generator().manual_seed(5))
    seen = [frames]
    for action in actions:
        ours.step(action)
        seen.append(ours.frames)
    whole, _ = ours.model(torch.stack(seen[:-1], 1), actions.T)
    assert torch.equal((whole.frames > 0).float(), torch.stack(seen[1:], 1))


def test_a_dream_depends_on_its_number_alone():
    one, two = dreams(), dreams()
    one.begin([3, 4, 5])
    two.begin([9, 5])
    assert torch.equal(one.frames[2], two.frames[1])
    two.step(torch.tensor([0, 0]))
    two.restart([0], [4])
    assert torch.equal(two.frames[0], one.frames[1]) and two.age.tolist() == [0, 1]
    one.step(torch.tensor([1, 1, 1]))
    two.step(torch.tensor([1, 1]))
    assert torch.equal(two.frames[0], one.frames[1])


def test_guards_hold_rewards_in_what_was_seen():
    plain, guarded = dreams(), dreams(reward_range=(-0.02, 1.0), usual_reward=-0.02, done_threshold=0.999)
    for each in (plain, guarded):
        torch.nn.init.constant_(each.model.outcomes.bias, 5.0)
        each.begin([0, 1])
    assert (plain.step(torch.tensor([0, 1]))[1] > 2).all()
    done, rewards = guarded.step(torch.tensor([0, 1]))
    assert not done.any() and torch.allclose(rewards, torch.tensor(-0.02))


def test_the_environment_is_a_vector_environment():
    env = FrameDreamEnv(dreams(max_steps=5, done_threshold=0.9999), 4, with_memory=True)
    frames, _ = env.reset(seed=3)
    assert frames.shape == (4, 48 + env.dreams.model.core.output_size) and frames.dtype == np.float32
    assert env.single_observation_space == observation_space(env.dreams.model, with_memory=True)
    for _ in range(5):
        _, _, terminated, truncated, _ = env.step(np.zeros(4, int))
    assert (terminated | truncated).all()
    _, rewards, terminated, truncated, _ = env.step(np.zeros(4, int))
    assert not rewards.any() and not (terminated | truncated).any() and env.dreams.age.tolist() == [0] * 4
    again, _ = env.reset(seed=3)
    assert np.array_equal(frames, again)
