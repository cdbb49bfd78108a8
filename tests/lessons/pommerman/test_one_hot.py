"""The thesis' models given a fair trial: where they start, what the loss is, how an integer is chosen, that they learn."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from wmlib.lessons.pommerman import one_hot
from wmlib.lessons.pommerman.data import Trainer
from wmlib.lessons.pommerman.one_hot import HEADS, SIZES, OneHotModel, likeliest_integers
from wmlib.lessons.pommerman.own_action import carry_out, table_with_action
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


def own_actions(played):
    return played.batch.actions[0, :, 0].numpy()


def count(played, following):
    return one_hot.count(played.now, own_actions(played), following)


@both_heads
def test_without_counts_the_skip_copies_what_the_own_action_leaves_as_it_is(head, build, shuffled):
    model, batch = silence(build(head)), shuffled.read([[40, 41, 42], [90, 91, 92]])
    predicted, _ = model.predict(batch, model.initial_state(2))
    states = batch.vectors.flatten(0, 1).numpy()
    expected = carry_out(states, batch.actions[..., 0].flatten().numpy(), states)
    expected[:, 242:363] = states[:, 242:363]  # a bomb just laid has no life yet
    assert np.array_equal(predicted.flatten(0, 1).numpy(), expected)


@both_heads
def test_with_counts_the_skip_is_the_best_table(head, shuffled):
    model = silence(make(head, count(shuffled, shuffled.after))[0])
    predicted = model.predict(shuffled.batch, model.initial_state(1))[0][0].numpy()
    best = table_with_action(shuffled.now, shuffled.after)
    expected = best.predict(shuffled.batch, ())[0][0].numpy()
    assert (predicted == expected).mean() > 0.999  # but for ties and what was hardly ever met
    changed = expected != shuffled.now
    assert (predicted == expected)[changed].mean() > 0.99


@both_heads
def test_the_skip_alone_is_right_where_nothing_but_the_own_action_happens(head, shuffled):
    """Counted in a world in which only the seeing agent acts, the tables know every next state."""
    following = carry_out(shuffled.now, own_actions(shuffled), shuffled.now)
    model = silence(make(head, count(shuffled, following))[0])
    predicted, _ = model.predict(shuffled.batch, model.initial_state(1))
    assert np.array_equal(predicted[0].numpy(), following)


def test_rows_of_the_skip_by_hand():
    """Agent 12 goes right, or lays a bomb, or stands on a bomb that is as strong and was laid before."""
    state = np.zeros((3, 372), np.uint8)
    state[:, 60], state[:, 363:368], state[:, 368:] = 12, (5, 5, 1, 3, 0), (9, 10, 11, 13)
    state[2, [121 + 60, 242 + 60]] = 3, 9
    cells, numbers = one_hot.skip_rows(state, np.array([4, 5, 0]))
    assert cells.shape == (3, 121) and numbers.shape == (3, 9)
    own = 1540 + 12 * 110
    assert np.flatnonzero(cells[0]).tolist() == [61] and cells[0, 61] == own
    assert np.flatnonzero(cells[1]).tolist() == [60] and cells[1, 60] == own + 3 * 10
    assert cells[2, 60] == own + 3 * 10 + 9
    assert (numbers - one_hot.NUMBER_ROWS).tolist() == [
        [5, 6, 1, 3, 0, 9, 10, 11, 13],
        [5, 5, 0, 3, 0, 9, 10, 11, 13],
        [5, 5, 1, 3, 0, 9, 10, 11, 13],
    ]


@both_heads
def test_nothing_of_the_future_and_of_the_others_is_known(head, shuffled):
    """A prediction depends on the states up to now and on the seeing agent's own actions alone."""
    model, _ = make(head, count(shuffled, shuffled.after))
    batch = shuffled.read([[40, 41, 42, 43], [90, 91, 92, 93]])

    def raw(batch):
        with torch.no_grad():
            parts, _ = model._raw(batch, model.initial_state(2))
        return torch.cat([part.flatten(1) for part in parts], 1).unflatten(0, (2, 4))

    expected = raw(batch)
    others = batch.actions.clone()
    others[..., 1:] = (others[..., 1:] + 1) % 6
    other_future = batch._replace(following=255 - batch.following, actions=others)
    assert torch.equal(raw(other_future), expected)
    vectors, actions = batch.vectors.clone(), batch.actions.clone()
    vectors[:, 2:], actions[:, 2:, 0] = shuffled.read([[10, 11], [20, 21]]).vectors, (actions[:, 2:, 0] + 1) % 6
    later = raw(batch._replace(vectors=vectors, actions=actions))
    assert torch.equal(later[:, :2], expected[:, :2]) and not torch.equal(later[:, 2:], expected[:, 2:])


def test_counts_by_hand():
    now, after = np.zeros((2, 372), np.uint8), np.zeros((2, 372), np.uint8)
    now[:, 3], now[:, 124], now[:, 245] = 3, 2, 9  # a bomb of strength 2 and life 9 in cell 3
    after[:, 3], after[:, 124], after[:, 245] = 3, 2, 8
    now[:, 0], now[:, 368:], after[:, 0] = 12, (9, 10, 11, 13), 12  # the agent stays in cell 0
    now[:, 365], after[:, 365] = 1, (0, 2)  # own ammo
    counts = one_hot.count(now, np.zeros(2, np.int64), after)
    cell = counts.cells[(3 * 11 + 2) * 10 + 9]
    assert cell[3] == cell[14 + 2] == cell[25 + 8] == 2 and cell.sum() == 6
    assert counts.cells[0, 0] == 2 * 119 and counts.cells[1540 + 12 * 110, 12] == 2
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
    model, generator = make(head, count(shuffled, shuffled.after))
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
