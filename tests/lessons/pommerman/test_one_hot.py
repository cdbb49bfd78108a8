"""The thesis' models given a fair trial: where they start, what the loss is, how an integer is chosen, that they learn."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from wmlib.lessons.pommerman import one_hot
from wmlib.lessons.pommerman.baselines import table_of_cells
from wmlib.lessons.pommerman.data import Trainer
from wmlib.lessons.pommerman.one_hot import HEADS, SIZES, OneHotModel, likeliest_integers
from wmlib.models.lstm import LSTM
from wmlib.models.mdn import Mixture

both_heads = pytest.mark.parametrize("head", HEADS)


def make(head, counts, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return OneHotModel(LSTM(one_hot.INPUTS, 11, generator=generator), head, counts, generator=generator), generator


def silence(model):
    """Let the tables alone decide."""
    for layer in (model.to_cells, model.to_numbers):
        layer.weight.detach().zero_()
    return model


@both_heads
def test_without_counts_the_skip_copies(head, build, shuffled):
    model, batch = silence(build(head)), shuffled.read([[40, 41, 42], [90, 91, 92]])
    assert torch.equal(model.predict(batch, model.initial_state(2))[0], batch.vectors)


@both_heads
def test_with_counts_the_skip_is_the_table_of_cells(head, shuffled):
    model = silence(make(head, one_hot.count(shuffled.now, shuffled.after))[0])
    predicted = model.predict(shuffled.batch, model.initial_state(1))[0][0].numpy()
    expected = table_of_cells(shuffled.now, shuffled.after).rule(shuffled.now)
    assert (predicted == expected)[:, :363].mean() > 0.999  # but for ties and what was hardly ever met


def test_counts_by_hand():
    now, after = np.zeros((2, 372), np.uint8), np.zeros((2, 372), np.uint8)
    now[:, 3], now[:, 124], now[:, 245] = 3, 2, 9  # a bomb of strength 2 and life 9 in cell 3
    after[:, 3], after[:, 124], after[:, 245] = 3, 2, 8
    now[:, 365], after[:, 365] = 1, (0, 2)  # own ammo
    counts = one_hot.count(now, after)
    cell = counts.cells[(3 * 11 + 2) * 10 + 9]
    assert cell[3] == cell[14 + 2] == cell[25 + 8] == 2 and cell.sum() == 6
    assert counts.cells[0, 0] == 2 * 120
    assert counts.numbers[22 + 1].tolist() == [1, 0, 1] + [0] * 11  # after the values of row and column


def test_the_loss_of_the_categorical_head_is_the_likelihood(build, shuffled):
    model, batch = build("categorical"), shuffled.read([[11, 12]])
    raw, _ = model._raw(batch, model.initial_state(1))
    total = 0.0
    for n in range(2):
        truth = batch.following[0, n].long().tolist()
        for i in range(372):
            logits = raw[i // 121][n, i % 121] if i < 363 else raw[3 + i - 363][n]
            assert len(logits) == SIZES[i]
            total -= logits.log_softmax(0)[truth[i]].item()
    assert model.loss(batch, model.initial_state(1))[0].item() == pytest.approx(total / 744, rel=1e-4)


def test_the_loss_of_the_mixture_head_is_the_density(build, shuffled):
    model, batch = build("mixture"), shuffled.read([[11, 12]])
    mixture = model._mixture(model._raw(batch, model.initial_state(1))[0])
    weights, means, stds = (part.detach().numpy() for part in (mixture.weights(), mixture.means, mixture.log_stds.exp()))
    assert stds.min() >= one_hot.MIN_STD
    density = (weights * norm.pdf(batch.following[0].numpy()[:, None], means, stds)).sum(1)
    assert model.loss(batch, model.initial_state(1))[0].item() == pytest.approx(-np.log(density).mean(), rel=1e-3)


def test_the_integer_with_the_most_mass_by_hand():
    """A tall narrow Gaussian at 3 with less mass than a wide one at 7; a kick, of which both are above, is 1."""
    weights, stds = torch.tensor([0.4, 0.6]), torch.tensor([0.1, 0.3])
    shape = (1, 2, 372)
    mixture = Mixture(*(v[None, :, None].expand(shape) for v in (weights.log(), torch.tensor([3.0, 7.0]), stds.log())))
    chosen = likeliest_integers(mixture)[0]
    assert chosen[0] == chosen[130] == 7 and chosen[367] == 1
    wide = mixture._replace(log_stds=torch.tensor([0.1, 1.0]).log()[None, :, None].expand(shape))
    assert likeliest_integers(wide)[0, 0] == 3


@pytest.mark.parametrize("seed", range(3))
def test_the_integer_with_the_most_mass_is_that_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    logits, means, log_stds = rng.normal(size=(1, 3, 372)), rng.uniform(-2, 15, (1, 3, 372)), rng.normal(size=(1, 3, 372))
    chosen = likeliest_integers(Mixture(*(torch.from_numpy(part) for part in (logits, means, log_stds))))[0]
    for i in range(0, 372, 7):
        weights = np.exp(logits[0, :, i]) / np.exp(logits[0, :, i]).sum()
        mass = []
        for value in range(SIZES[i]):
            low = -np.inf if value == 0 else value - 0.5
            high = np.inf if value == SIZES[i] - 1 else value + 0.5
            below, upto = (norm.cdf(end, means[0, :, i], np.exp(log_stds[0, :, i])) for end in (low, high))
            mass.append((weights * (upto - below)).sum())
        assert chosen[i] == np.argmax(mass)


@both_heads
def test_it_learns_what_no_table_knows(head, shuffled):
    """After some updates the changes of these games are predicted better than by the table they start from."""
    model, generator = make(head, one_hot.count(shuffled.now, shuffled.after))
    trainer = Trainer(model, shuffled.views.resets, shuffled.read, generator=generator, batch_size=8, seq_len=8, lr=3e-3)

    def mean_loss():
        with torch.no_grad():
            return model.loss(shuffled.batch, model.initial_state(1))[0].item()

    before = mean_loss()
    list(trainer.run(150))
    assert mean_loss() < 0.8 * before or mean_loss() < before - 0.2
    assert math.isfinite(mean_loss())


def test_another_head_is_refused():
    with pytest.raises(ValueError, match="head: got 'tree'; allowed are mixture, categorical"):
        make("tree", one_hot.no_counts())
