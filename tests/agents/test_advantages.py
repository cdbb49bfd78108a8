"""Advantages against sums written from their definition, with episode ends, time limits and steps that only reset."""

import numpy as np
import pytest

from wmlib.agents.advantages import Steps, discounted_sums, gae, shifted_gae

N, T = 5, 23


def steps(seed=0, ends=0.15, invalid=False):
    rng = np.random.default_rng(seed)
    numbers = [rng.normal(size=shape).astype(np.float32) for shape in ((N, T), (N, T), (N,), (N, T))]
    ended = rng.random((N, T)) < ends
    terminated = ended & (rng.random((N, T)) < 0.5)
    valid = np.ones((N, T), bool)
    if invalid:  # as in NEXT_STEP: the step after an end is none
        for t in range(1, T):
            valid[:, t] = ~ended[:, t - 1]
            ended[:, t] &= valid[:, t]
            terminated[:, t] &= valid[:, t]
    return Steps(*numbers, terminated, ended, valid)


def plain_gae(s, gamma, lam):
    """Sum (γλ)^k δ over the steps of the same episode, forwards, each sum from its start."""
    advantages = np.zeros((N, T))
    for n in range(N):
        real = [t for t in range(T) if s.valid[n, t]]
        deltas = {}
        for i, t in enumerate(real):
            following = float(s.values[n, real[i + 1]]) if i + 1 < len(real) else float(s.last_values[n])
            if s.terminated[n, t]:
                following = 0.0
            elif s.ended[n, t]:
                following = float(s.final_values[n, t])
            deltas[t] = float(s.rewards[n, t]) + gamma * following - float(s.values[n, t])
        for i, t in enumerate(real):
            for k, later in enumerate(real[i:]):
                advantages[n, t] += (gamma * lam) ** k * deltas[later]
                if s.ended[n, later]:
                    break
    return advantages


@pytest.mark.parametrize("invalid", [False, True])
@pytest.mark.parametrize("gamma, lam", [(0.9, 0.8), (1.0, 1.0), (0.97, 0.0)])
def test_gae_is_the_sum_of_discounted_errors(gamma, lam, invalid):
    s = steps(invalid=invalid)
    assert s.terminated.any() and (s.ended & ~s.terminated).any()
    advantages, targets = gae(s, gamma, lam)
    expected = plain_gae(s, gamma, lam)
    np.testing.assert_allclose(advantages, expected, atol=2e-5)
    np.testing.assert_allclose(targets[s.valid], (expected + s.values)[s.valid], atol=2e-5)
    assert (advantages[~s.valid] == 0).all()


def test_with_lambda_1_targets_are_discounted_returns():
    s = steps()
    _, targets = gae(s, 0.9, 1.0)
    for n in range(N):
        future = float(s.last_values[n])
        for t in reversed(range(T)):
            if s.ended[n, t]:
                future = 0.0 if s.terminated[n, t] else float(s.final_values[n, t])
            future = float(s.rewards[n, t]) + 0.9 * future
            assert targets[n, t] == pytest.approx(future, abs=1e-4)


@pytest.mark.parametrize("invalid", [False, True])
def test_without_ends_the_stream_goes_on(invalid):
    s = steps(invalid=invalid)
    advantages, _ = gae(s.without_ends(), 0.9, 0.8)
    np.testing.assert_allclose(advantages, plain_gae(s.without_ends(), 0.9, 0.8), atol=2e-5)
    before_an_end = s.ended & s.valid
    assert not np.allclose(advantages[before_an_end], gae(s, 0.9, 0.8)[0][before_an_end])


@pytest.mark.parametrize("invalid", [False, True])
def test_the_shifted_estimator_drops_the_last_step_of_an_episode(invalid):
    s = steps(2, invalid=invalid)
    advantages, targets = shifted_gae(s, 0.9, 0.8)
    assert (advantages[s.ended] == 0).all() and (targets[s.ended] == 0).all()
    for n in range(N):
        real = [t for t in range(T) if s.valid[n, t]]
        for i, t in enumerate(real):
            following = []  # of the same episode
            for a, b in zip(real[i:], real[i + 1 :], strict=False):
                if s.ended[n, a]:
                    break
                following.append(b)
            cut = [k for k in [t, *following] if s.ended[n, k]]
            last = 0.0 if cut else float(s.values[n, real[-1]])  # an open episode goes on with the critic's value
            expected = sum(0.9**k * float(s.rewards[n, b]) for k, b in enumerate(following)) + 0.9 ** len(following) * last
            assert targets[n, t] == pytest.approx(expected, abs=1e-4)


def test_a_penalty_at_the_end_counts_with_the_opposite_sign_when_shifted():
    """With a perfect critic of the shifted target, which is what the fact sheet of the author's code found."""
    rewards = np.float32([[1, 1, 1, -5]])
    values = np.zeros((1, 4), np.float32)
    ended = np.array([[False, False, False, True]])
    s = Steps(rewards, values, np.zeros(1, np.float32), values, ended, ended, np.ones((1, 4), bool))
    _, targets = shifted_gae(s, 1.0, 0.0)
    advantages, _ = shifted_gae(s._replace(values=targets), 1.0, 0.0)
    assert advantages[0].tolist() == [0, 0, 6, 0]
    assert gae(s, 1.0, 0.0)[0][0].tolist() == [1, 1, 1, -5]


def test_discounted_sums_run_along_time_and_carry_over():
    rng = np.random.default_rng(1)
    rewards = rng.random((3, 11))
    valid = rng.random((3, 11)) < 0.8
    ended = valid & (rng.random((3, 11)) < 0.2)
    expected = np.zeros((3, 11))
    for n in range(3):
        total = 0.0
        for t in range(11):
            if valid[n, t]:
                total = 0.7 * total + rewards[n, t]
            expected[n, t] = total
            if ended[n, t]:
                total = 0.0
    carried = np.zeros(3)
    parts = [discounted_sums(rewards[:, s], carried, 0.7, valid[:, s], ended[:, s]) for s in (slice(0, 4), slice(4, 11))]
    np.testing.assert_allclose(np.concatenate(parts, 1), expected, rtol=1e-12)
    np.testing.assert_allclose(carried, np.where(ended[:, -1], 0, expected[:, -1]))
