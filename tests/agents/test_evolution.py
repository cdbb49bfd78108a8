"""Evolution in a dream: it finds what lives long, never selects on validation dreams, and goes on to the bit after a stop."""

import numpy as np
import torch

from wmlib.agents import evolution as dream_search
from wmlib.agents.dream import Dreams
from wmlib.agents.evolution import VALIDATION, Search
from wmlib.experiment import checkpoint
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.models.world_model import WorldModel

BUTTONS = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])


def search(seed: int = 0, **settings) -> Search:
    """Look for a controller in a world that kills whoever does not press right."""
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(3 + 2, 7, generator=rng), 3, components=2, generator=rng)
    with torch.no_grad():
        for gate in model.core.lstm.parameters():
            gate.zero_()
        model.core.lstm.weight_ih_l0[14:21, 4] = 3.0  # the cell's candidate sees the right button
        model.core.lstm.bias_ih_l0[:7] = model.core.lstm.bias_ih_l0[21:] = 4.0  # gates in and out are open
        model.core.lstm.bias_ih_l0[7:14] = -4.0  # nothing is kept
        model.done.weight.fill_(-2.0)
        model.done.bias.fill_(5.0)
    starts = Posterior(torch.ones(4, 3), torch.full((4, 3), -2.0))
    dreams = Dreams(model, BUTTONS, starts, seed=3, cap=20)
    settings = {"population": 12, "trials": 3, "every": 2, "validation": 5} | settings
    return Search(dreams, ("z", "h"), rng=np.random.default_rng(seed), **settings)


def test_it_finds_what_lives_long():
    made = search(sigma=0.5)
    history = list(made.run(12))
    assert history[0].mean < 10 < history[-1].mean <= 20
    assert made.best_score == max(g.validation for g in history[1::2]) > 15
    assert all(np.isnan(g.validation) for g in history[::2])


def test_stop_and_go_on_is_the_same_to_the_bit(tmp_path):
    straight = search()
    list(straight.run(7))
    first = search()
    list(first.run(3))
    checkpoint.save(tmp_path / "state.safetensors", first.state_dict())
    second = search(seed=5)
    second.load_state_dict(checkpoint.load(tmp_path / "state.safetensors"))
    list(second.run(4))
    assert second.step == 7 and np.array_equal(second.best, straight.best) and second.best_score == straight.best_score
    np.testing.assert_array_equal(second.history, straight.history)
    assert np.array_equal(second.cma.mean, straight.cma.mean)


def test_candidates_share_dreams_and_never_meet_those_of_the_validation(monkeypatch):
    asked = []
    live = dream_search.live

    def spy(dreams, weights, names, numbers):
        asked.append((len(weights), list(numbers)))
        return live(dreams, weights, names, numbers)

    monkeypatch.setattr(dream_search, "live", spy)
    list(search().run(4))
    chosen = [numbers for rows, numbers in asked if rows == 12]
    assert chosen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert [numbers for rows, numbers in asked if rows == 1] == [list(range(VALIDATION, VALIDATION + 5))] * 2
