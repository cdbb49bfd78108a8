"""Evolution in a dream: it finds what lives long, never selects on validation dreams, and goes on to the bit after a stop."""

import numpy as np
import torch

from wmlib.agents import evolution
from wmlib.agents.dream import Dreams
from wmlib.agents.evolution import VALIDATION, Evolution
from wmlib.experiment import checkpoint
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

BUTTONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])


def evolve(seed: int = 0, **settings) -> Evolution:
    """Evolve a controller in a world that kills whoever does not press right."""
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(3 + 2, 7, generator=rng), 3, num_components=2, generator=rng)
    with torch.no_grad():
        for gate in model.core.lstm.parameters():
            gate.zero_()
        model.core.lstm.weight_ih_l0[14:21, 4] = 3.0  # the cell's candidate sees the right button
        model.core.lstm.bias_ih_l0[:7] = model.core.lstm.bias_ih_l0[21:] = 4.0  # gates in and out are open
        model.core.lstm.bias_ih_l0[7:14] = -4.0  # nothing is kept
        model.done.weight.fill_(-2.0)
        model.done.bias.fill_(5.0)
    starts = Posterior(torch.ones(4, 3), torch.full((4, 3), -2.0))
    dreams = Dreams(model, BUTTONS, starts, seed=3, max_steps=20)
    settings = {"population": 12, "trials": 3, "validate_every": 2, "validation_dreams": 5} | settings
    return Evolution(dreams, ("z", "h"), rng=np.random.default_rng(seed), **settings)


def test_it_finds_what_lives_long():
    search = evolve(sigma=0.5)
    history = list(search.run(12))
    assert history[0].mean < 10 < history[-1].mean <= 20
    assert search.best_score == max(g.validation for g in history[1::2]) > 15
    assert all(np.isnan(g.validation) for g in history[::2])


def test_stop_and_go_on_is_the_same_to_the_bit(tmp_path):
    straight = evolve()
    list(straight.run(7))
    first = evolve()
    list(first.run(3))
    checkpoint.save(tmp_path / "state.safetensors", first.state_dict())
    second = evolve(seed=5)
    second.load_state_dict(checkpoint.load(tmp_path / "state.safetensors"))
    list(second.run(4))
    assert second.step == 7 and np.array_equal(second.best, straight.best) and second.best_score == straight.best_score
    np.testing.assert_array_equal(second.history, straight.history)
    np.testing.assert_array_equal(second.validated, straight.validated)
    assert len(second.validated) == 3
    assert np.array_equal(second.cma.mean, straight.cma.mean)


def test_candidates_share_dreams_and_never_meet_those_of_the_validation(monkeypatch):
    asked = []
    dream_returns = evolution.dream_returns

    def spy(dreams, weights, names, dream_ids):
        asked.append((len(weights), list(dream_ids)))
        return dream_returns(dreams, weights, names, dream_ids)

    monkeypatch.setattr(evolution, "dream_returns", spy)
    list(evolve().run(4))
    chosen = [numbers for rows, numbers in asked if rows == 12]
    assert chosen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [numbers for rows, numbers in asked if rows == 1] == [list(range(VALIDATION, VALIDATION + 5))] * 2
