"""Training a world model: order and carrying of the streams, resuming to the bit, and what it learns of a small world."""

import numpy as np
import pytest
import torch

from wmlib.experiment import checkpoint
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.world_model import WorldModel
from wmlib.training.world_model import Experience, WorldModelTrainer

EPISODES, LENGTH = 40, 23


def small_world(episodes: int = EPISODES, seed: int = 0) -> Experience:
    """A place on a line, pushed left or right, seen through noise; 3 steps right of the middle is death."""
    rng = np.random.default_rng(seed)
    columns = {name: [] for name in Experience._fields}
    for _ in range(episodes):
        place = 0
        for t in range(LENGTH + 1):
            push = int(rng.integers(2))
            dead = place + 2 * push - 1 >= 3
            last = t == LENGTH
            row = ([place / 2, 1.0], [np.log(0.01)] * 2, [1 - push, push] if not last else [0, 0], 1.0, dead, not last, t == 0)
            for name, value in zip(Experience._fields, row, strict=True):
                columns[name].append(value)
            if last:
                break
            place += 2 * push - 1
            if dead:
                row = ([place / 2, 1.0], [np.log(0.01)] * 2, [0, 0], 0.0, False, False, False)
                for name, value in zip(Experience._fields, row, strict=True):
                    columns[name].append(value)
                break
    kinds = dict(zip(Experience._fields, [np.float16] * 2 + [np.float32] * 2 + [bool] * 3, strict=True))
    return Experience(**{name: np.array(values, kinds[name]) for name, values in columns.items()})


def episodes_of(table: Experience) -> list[np.ndarray]:
    starts = np.flatnonzero(table.resets)
    return [np.arange(a, b) for a, b in zip(starts, [*starts[1:], len(table.resets)], strict=True)]


def trainer(kind: str = "lstm", seed: int = 1, **settings) -> WorldModelTrainer:
    rng = torch.Generator().manual_seed(seed)
    core = LSTM(4, 16, generator=rng) if kind == "lstm" else DNC(4, 16, 4, 3, 1, generator=rng)
    model = WorldModel(core, 2, num_components=2, normalize=False, generator=rng)
    settings = {"batch_size": 5, "seq_len": 7, "lr": 1e-2} | settings
    return WorldModelTrainer(model, small_world(), generator=rng, **settings)


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
@pytest.mark.parametrize("stop", [3, 25])  # in the first pass and in a later one
def test_stop_and_go_on_is_the_same_to_the_bit(kind, stop, tmp_path):
    straight = [float(losses.total) for losses in trainer(kind).run(40)]
    first = trainer(kind)
    before = [float(losses.total) for losses in first.run(stop)]
    checkpoint.save(tmp_path / "state.safetensors", first.state_dict())
    second = trainer(kind, seed=9)
    second.load_state_dict(checkpoint.load(tmp_path / "state.safetensors"))
    after = [float(losses.total) for losses in second.run(40 - stop)]
    assert before + after == straight


def test_every_stream_is_read_forward_and_carried():
    made = trainer(lr=1e-30)  # the weights stand still
    seen = []
    sample = Experience.sample

    def spy(self, rows, generator):
        seen.append(rows)
        return sample(self._replace(log_variance=np.full_like(self.log_variance, -60)), rows, generator)

    Experience.sample = spy
    try:
        list(made.run(3))
    finally:
        Experience.sample = sample
    size, rows = len(made.experience.resets), np.concatenate([r[:, :-1] for r in seen], 1)
    assert (np.diff(rows, axis=1) % size == 1).all()  # no row left out, none read twice
    assert (np.diff(rows[:, 0]) % size == size // 5).all()
    table = made.experience
    latents = torch.from_numpy(table.mean[rows].astype(np.float32))
    resets, actions = torch.from_numpy(table.resets[rows]), torch.from_numpy(table.actions[rows])
    _, state = made.model(latents, actions, reset=resets)
    torch.testing.assert_close(made._state[0], state[0], atol=1e-5, rtol=1e-4)


def test_latents_are_drawn_from_their_posteriors():
    table = small_world()._replace(mean=np.full((9, 2), 3.0), log_variance=np.full((9, 2), np.log(4.0)))
    drawn = table.sample(np.zeros(20_000, int), torch.Generator().manual_seed(0))
    assert abs(drawn.mean().item() - 3) < 0.05 and abs(drawn.std().item() - 2) < 0.05


@pytest.mark.parametrize("kind", ["lstm", "dnc"])
def test_it_learns_where_pushes_lead_and_what_kills(kind):
    made = trainer(kind, batch_size=16, seq_len=12, lr=2e-2)
    list(made.run(300))
    test = small_world(20, seed=5)
    copied, nll, fatal, alive = [], [], [], []
    with torch.no_grad():
        for rows in episodes_of(test):
            latents = torch.from_numpy(test.mean[rows].astype(np.float32))
            prediction, _ = made.model(latents[:-1], torch.from_numpy(test.actions[rows[:-1]]))
            ends = test.terminated[rows[:-1]]
            goes_on = torch.from_numpy(~ends & test.acted[rows[:-1]])
            nll += (-prediction.mixture.marginal_log_prob(latents[1:])[..., 0])[goes_on].tolist()
            change = (latents[1:] - latents[:-1])[goes_on, 0]
            copied += (-torch.distributions.Normal(0, 0.5).log_prob(change)).tolist()  # a push moves it by 0.5
            says_dead = (prediction.done >= 0).numpy()
            fatal += says_dead[ends].tolist()
            alive += says_dead[goes_on.numpy()].tolist()
    assert len(fatal) > 5 and len(alive) > 200
    assert np.mean(fatal) > 0.9 and np.mean(alive) < 0.03
    assert np.mean(nll) < np.mean(copied) - 0.5
    train = made.experience
    assert not train.terminated[train.resets].any()


def test_the_learning_rate_follows_the_schedule():
    still, moving = trainer(schedule=lambda step: 0.0), trainer(schedule=lambda step: 0.0 if step < 3 else 1e-2)
    before = [parameter.clone() for parameter in still.model.parameters()]
    list(still.run(5))
    assert all(torch.equal(old, new) for old, new in zip(before, still.model.parameters(), strict=True))
    list(moving.run(3))
    assert all(torch.equal(old, new) for old, new in zip(before, moving.model.parameters(), strict=True))
    list(moving.run(1))
    assert not any(torch.equal(old, new) for old, new in zip(before, moving.model.parameters(), strict=True))


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="batch_size, seq_len: got 500, 7"):
        trainer(batch_size=500)
