"""An agent against a plain loop over its parts, what it remembers of each episode, and what determines it."""

import numpy as np
import pytest
import torch

from wmlib.agents import linear_controller
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import fingerprint
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

Z, H = 3, 5
ACTIONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
WEIGHTS = torch.linspace(-9, 9, Z + H)


def parts(kind: str = "lstm", seed: int = 0) -> tuple[VAE, WorldModel]:
    rng = torch.Generator().manual_seed(seed)
    core = LSTM(Z + 2, H, generator=rng) if kind == "lstm" else DNC(Z + 2, H, 4, 3, 1, generator=rng)
    return VAE(generator=rng, latent_size=Z, channels=1), WorldModel(core, Z, num_components=2, generator=rng)


def make(kind: str = "lstm", weights: torch.Tensor = WEIGHTS) -> WorldModelsAgent:
    return WorldModelsAgent(*parts(kind), weights, ("z", "h"), ACTIONS)


def frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(count, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_it_acts_as_a_plain_loop_in_any_environment(kind):
    agent, episode = make(kind), frames(30)
    several, single = agent.vectorized(2), agent.vectorized(1)
    several.begin(0, np.random.default_rng(4))  # another episode beside it
    several.begin(1, np.random.default_rng(3))
    single.begin(0, np.random.default_rng(3))
    noise = torch.from_numpy(np.random.default_rng(3).standard_normal((64, Z), np.float32))
    state, actions = agent.world_model.core.initial_state(1), []
    with torch.no_grad():
        for t, frame in enumerate(episode):
            posterior = agent.vae.encode(frame[None])
            z = posterior.mean + torch.exp(0.5 * posterior.log_variance) * noise[t]
            action = int(linear_controller.act(WEIGHTS, torch.cat([z, state.h], -1)))
            _, state = agent.world_model.step(z, ACTIONS[[action]], state)
            assert several.act(np.stack([episode[0], frame]))[1] == action == single.act(frame[None])[0]
            actions.append(action)
    assert len(set(actions)) > 1


def test_an_episode_that_begins_forgets_the_one_before():
    policy, episode = make().vectorized(2), frames(9)
    runs = []
    for _ in range(2):
        policy.begin(1, np.random.default_rng(3))
        runs.append([policy.act(np.stack([frame, frame]))[1] for frame in episode])
    assert runs[0] == runs[1] and len(set(runs[0])) > 1


def test_what_determines_it():
    agent, twin = make(), make()
    other = make(weights=WEIGHTS + 1e-3)
    assert agent.describe() == twin.describe() != other.describe()
    assert agent.describe() != WorldModelsAgent(*parts(seed=1), WEIGHTS, ("z", "h"), ACTIONS).describe()
    assert agent.describe() != WorldModelsAgent(*parts(), WEIGHTS, ("z", "c"), ACTIONS).describe()
    keys = [fingerprint.digest(fingerprint.describe(each)) for each in (agent, twin, other)]
    assert keys[0] == keys[1] != keys[2]


def test_parts_that_do_not_fit_are_refused():
    vae, model = parts()
    with pytest.raises(ValueError, match=r"weights of shape \(8,\); the latents must be equal and the weights \(3,\)"):
        WorldModelsAgent(vae, model, WEIGHTS, ("z",), ACTIONS)
    larger = VAE(generator=torch.Generator(), latent_size=Z + 1, channels=1)
    with pytest.raises(ValueError, match="latents of 4 and 3 numbers"):
        WorldModelsAgent(larger, model, WEIGHTS, ("z", "h"), ACTIONS)
    with pytest.raises(ValueError, match=r"actions has shape \(3, 1\); it must be \(3, 2\)"):
        WorldModelsAgent(vae, model, WEIGHTS, ("z", "h"), ACTIONS[:, :1])
