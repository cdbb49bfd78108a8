"""How world models are evaluated, against plain loops and known values."""

import numpy as np
import pytest
import torch

from wmlib.lessons.vizdoom_dream import measures
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience

LENGTHS = (9, 5, 23, 14, 7)
Z = 3


def table(log_variance: float = -60.0, seed: int = 0) -> Experience:
    """Random episodes, every second one fatal; with the default, draws are the means."""
    rng = np.random.default_rng(seed)
    rows = sum(LENGTHS) + len(LENGTHS)
    starts = np.cumsum([0, *(length + 1 for length in LENGTHS)])
    terminated, acted, resets = np.zeros(rows, bool), np.ones(rows, bool), np.zeros(rows, bool)
    resets[starts[:-1]] = True
    acted[starts[1:] - 1] = False
    terminated[starts[1::2] - 2] = True
    return Experience(
        rng.standard_normal((rows, Z)).astype(np.float16),
        np.full((rows, Z), log_variance, np.float16),
        rng.random((rows, 2), np.float32),
        np.ones(rows, np.float32),
        terminated,
        acted,
        resets,
    )


def episodes_of(experience: Experience) -> list[np.ndarray]:
    starts = np.flatnonzero(experience.resets)
    return [np.arange(a, b) for a, b in zip(starts, [*starts[1:], len(experience.resets)], strict=True)]


def model(kind: str = "lstm") -> WorldModel:
    rng = torch.Generator().manual_seed(1)
    core = LSTM(Z + 2, 7, generator=rng) if kind == "lstm" else DNC(Z + 2, 7, 4, 3, 1, generator=rng)
    net = WorldModel(core, Z, num_components=2, generator=rng)
    with torch.no_grad():
        net.done.weight.mul_(30)  # so that some steps are predicted to be fatal
    return net


def latents_of(experience: Experience, rows: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(experience.mean[rows].astype(np.float32))


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_evaluate_equals_a_loop_over_episodes(kind):
    experience, net = table(), model(kind)
    nll, detected, alarms, deaths, steps = [], 0, 0, 0, 0
    with torch.no_grad():
        for rows in episodes_of(experience):
            latents = latents_of(experience, rows)[None]
            prediction, _ = net(latents[:, :-1], torch.from_numpy(experience.actions[rows[:-1]])[None])
            for t, row in enumerate(rows[:-1]):
                says_dead = prediction.done[0, t].item() >= 0
                if experience.terminated[row]:
                    deaths, detected = deaths + 1, detected + says_dead
                else:
                    steps, alarms = steps + 1, alarms + says_dead
                    nll.append(-prediction.mixture.log_prob(latents[:, 1:])[0, t].item() / Z)
    result = measures.evaluate(net, experience, episodes_of(experience), torch.Generator())
    assert (result["deaths"], result["steps"]) == (deaths, steps) == (3, sum(LENGTHS) - 3)
    assert result["nll"] == pytest.approx(np.mean(nll), rel=1e-5)
    assert result["recall"] == detected / deaths and result["false_alarms"] == alarms / steps
    assert 0 < alarms < steps
    by_length = sorted(range(len(LENGTHS)), key=lambda i: LENGTHS[i])
    fatal = [i % 2 == 0 for i in by_length]
    assert result["steps_by_episode"].tolist() == [LENGTHS[i] - is_fatal for i, is_fatal in zip(by_length, fatal, strict=True)]
    assert result["alarms_by_episode"].sum() == alarms and result["strict_recall"] <= 1


def test_recall_at_a_number_of_false_alarms():
    """Ten steps, their logits 0 to 9: two false alarms in ten are 8 and 9, so deaths above 7 count."""
    others = np.arange(10.0)
    fatal = np.array([6.5, 7.0, 7.5, 8.5, 20.0])
    assert measures.recall_at(fatal, others, 0.2) == 3 / 5
    assert measures.recall_at(fatal, others, 0.0) == 1 / 5  # above all others
    assert measures.recall_at(fatal, others, 1.0) == 1.0
    assert measures.recall_at(fatal[:0], others, 0.2) == measures.recall_at(fatal, others[:0], 0.2) == 0.0


@pytest.mark.parametrize("kind, names", [("lstm", ("z", "h", "c")), ("dnc", ("h", "reads"))])
def test_the_deviation_of_features_equals_a_loop_over_episodes(kind, names):
    experience = table()
    net = model(kind)
    seen = []
    with torch.no_grad():
        for rows in episodes_of(experience):
            state = net.core.initial_state(1)
            for row in rows[:-1]:
                latents = latents_of(experience, np.array([row]))
                parts = {"z": latents, **net.core.features(state)}
                seen.append(torch.cat([parts[name] for name in names], -1)[0].numpy())
                state = net.next_state(latents, torch.from_numpy(experience.actions[[row]]), state)
    expected = np.array(seen, np.float64).std(0, ddof=1)
    result = measures.feature_deviation(net, experience, episodes_of(experience), names, torch.Generator(), least=0.05)
    np.testing.assert_allclose(result, np.maximum(expected, 0.05), rtol=1e-4)


def test_the_copy_baseline_is_a_normal_distribution_of_the_usual_change():
    experience = table()
    pairs = np.concatenate([rows[:-1][~experience.terminated[rows[:-1]]] for rows in episodes_of(experience)])
    mean = experience.mean.astype(np.float64)
    change = mean[pairs + 1] - mean[pairs]
    center, spread = change.mean(0), change.std(0, ddof=1)
    density = -0.5 * ((change - center) / spread) ** 2 - np.log(spread) - 0.5 * np.log(2 * np.pi)
    result = measures.copy_baseline(experience, np.arange(len(mean)), episodes_of(experience), torch.Generator())
    assert result == pytest.approx(-density.mean(), rel=1e-4)


def test_the_entropy_of_the_posterior_is_a_lower_bound():
    experience = table(log_variance=float(np.log(np.float16(0.25))))
    rows = np.arange(11)
    entropy = measures.posterior_entropy(experience, rows)
    assert entropy == pytest.approx(torch.distributions.Normal(0.0, 0.5).entropy().item(), abs=1e-3)
    rng = torch.Generator().manual_seed(0)
    many = np.repeat(rows, 2000)
    posterior = experience.posterior(many)
    posteriors = torch.distributions.Normal(posterior.mean, torch.exp(0.5 * posterior.log_variance))
    assert -posteriors.log_prob(experience.sample(many, rng)).mean().item() == pytest.approx(entropy, abs=0.01)


def test_open_loop_equals_a_plain_loop():
    experience, net = table(), model()
    starts, seen, ahead = np.array([16, 41]), 4, 6  # in the third and fourth episode
    result = measures.open_loop(net, experience, starts, torch.Generator(), seen=seen, ahead=ahead)
    errors = np.zeros((3, 2, ahead))
    window = latents_of(experience, starts[:, None] + np.arange(seen + ahead))
    average = window[:, seen:].mean((0, 1))
    with torch.no_grad():
        for i, start in enumerate(starts):
            state = net.core.initial_state(1)
            latent = window[i, 0][None]
            for t in range(seen + ahead - 1):
                prediction, state = net.step(latent, torch.from_numpy(experience.actions[start + t][None]), state)
                latent = window[i, t + 1][None] if t + 1 < seen else prediction.mixture.mean()
                if t + 1 >= seen:
                    truth = window[i, t + 1]
                    guesses = (latent[0], window[i, seen - 1], average)
                    errors[:, i, t + 1 - seen] = [(guess - truth).square().mean().item() for guess in guesses]
    for name, expected in zip(("model", "copy", "mean"), errors.mean(1), strict=True):
        np.testing.assert_allclose(result[name], expected, rtol=1e-4)


def test_starts_lie_in_long_episodes_with_room_after_them():
    episodes = episodes_of(table())
    steps, chosen = 7, set()
    for seed in range(30):
        starts = measures.draw_starts(episodes, steps, np.random.default_rng(seed))
        long = [rows for rows in episodes if len(rows) - 1 >= steps]
        assert len(starts) == len(long) == 4
        for start, rows in zip(starts, long, strict=True):
            assert rows[0] <= start and start + steps <= rows[-1]
        chosen.add(int(starts[1] - long[1][0]))
    assert len(chosen) > 5


def test_the_trace_of_a_sequence_goes_with_its_predictions():
    experience, net = table(), model("dnc")
    latents, actions = latents_of(experience, np.arange(7)), torch.from_numpy(experience.actions[:7])
    fatal, trace = measures.trace(net, latents, actions)
    with torch.no_grad():
        prediction, _ = net(latents[None], actions[None])
    torch.testing.assert_close(fatal[..., 0], torch.sigmoid(prediction.done))
    assert fatal.shape == (1, 7, 1) and trace.write_gate.shape == (1, 7) and trace.memory.shape == (1, 7, 4, 3)
