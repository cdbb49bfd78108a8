"""Streams: read forward with the state carried, a learning rate by step, stopped and gone on with to the same bits."""

import numpy as np
import pytest
import torch
from torch import nn

from wmlib.experiment import checkpoint
from wmlib.training.streams import StreamTrainer

ROWS, B, T = 47, 3, 5


class Table(StreamTrainer):
    """Fit a linear map to a table of numbers; the state counts the rows read and sums what the model said of them."""

    def __init__(self, seed=1, size=ROWS, **options):
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randn(size, 4, generator=torch.Generator().manual_seed(0))
        self.rows_read, self.states = [], []
        model = nn.utils.skip_init(nn.Linear, 4, 2)
        for parameter in model.parameters():
            nn.init.normal_(parameter, generator=generator)
        options = {"batch_size": B, "seq_len": T, "lr": 0.05, "max_grad_norm": 1e9, **options}
        super().__init__(model, size, generator=generator, **options)

    def _initial_state(self):
        return torch.zeros(self.batch_size), torch.zeros(self.batch_size, 2)

    def _loss(self, rows, state):
        self.rows_read.append(rows)
        self.states.append([part.clone() for part in state])
        assert not any(part.requires_grad for part in state)
        count, total = state
        answers = self.model(self.table[torch.from_numpy(rows)])
        loss = (answers - 0.1 * total[:, None]).square().mean()
        return loss, (count + self.seq_len, total + answers[:, : self.seq_len].sum(1)), loss.detach()


def losses(trainer, steps):
    return [float(loss) for loss in trainer.run(steps)]


def weights(trainer):
    return torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()])


@pytest.mark.parametrize("ahead", [0, 1, 4])
def test_every_stream_is_read_forward_and_its_state_is_carried(ahead):
    trainer = Table(ahead=ahead)
    stream = ROWS // B
    steps = (stream - ahead) // T  # in a pass
    list(trainer.run(2 * steps))
    assert all(rows.shape == (B, T + ahead) for rows in trainer.rows_read)
    passes = [trainer.rows_read[:steps], trainer.rows_read[steps:]]
    for rows in passes:
        together = np.concatenate([r[:, :T] for r in rows], 1)
        assert (np.diff(together, axis=1) % ROWS == 1).all()  # no row left out, none read twice
        assert (np.diff(together[:, 0]) % ROWS == stream).all()
        assert len(np.unique(together)) == B * steps * T
        for now in rows:
            assert (np.diff(now, axis=1) % ROWS == 1).all()
    assert passes[0][0][0, 0] != passes[1][0][0, 0]  # another pass begins at another row
    counts = [state[0].tolist() for state in trainer.states]
    assert counts == 2 * [[step * T] * B for step in range(steps)]


def test_each_pass_begins_at_a_row_that_is_drawn():
    trainer = Table(seq_len=ROWS // B)
    list(trainer.run(400))
    assert {int(rows[0, 0]) for rows in trainer.rows_read} == set(range(ROWS))


def test_the_schedule_sets_the_learning_rate_of_each_step():
    rates = [0.1, 0.0, 0.03, 0.0, 0.2]
    asked = []
    trainer = Table(schedule=lambda step: asked.append(step) or rates[step])
    for step, rate in enumerate(rates):
        before = weights(trainer)
        list(trainer.run(1))
        assert trainer.optimizer.param_groups[0]["lr"] == rate
        assert torch.equal(weights(trainer), before) == (rate == 0), step
    assert asked == list(range(5)) and trainer.step == 5


def test_a_constant_schedule_is_no_schedule_and_adam_is_pytorchs():
    scheduled, constant = Table(lr=7.0, schedule=lambda step: 0.05), Table(lr=0.05)
    assert losses(scheduled, 12) == losses(constant, 12)
    by_hand = Table(lr=0.05)
    adam = torch.optim.Adam(by_hand.model.parameters(), 0.05)
    state = by_hand._initial_state()
    for step, rows in enumerate(constant.rows_read):
        if not constant.states[step][0].any():
            state = by_hand._initial_state()
        adam.zero_grad()
        loss, state, _ = by_hand._loss(rows, state)
        loss.backward()
        adam.step()
        state = [part.detach() for part in state]
    torch.testing.assert_close(weights(by_hand), weights(constant))


def test_gradients_are_scaled_down_to_the_norm(monkeypatch):
    trainer, norms = Table(max_grad_norm=1e-3), []
    step = trainer.optimizer.step

    def noting_step():
        norms.append(float(torch.cat([p.grad.flatten() for p in trainer.model.parameters()]).norm()))
        step()

    monkeypatch.setattr(trainer.optimizer, "step", noting_step)
    list(trainer.run(6))
    assert norms == pytest.approx([1e-3] * 6, rel=1e-2)


@pytest.mark.parametrize("stop", [1, 2, 3, 8])  # inside the first pass, at its end, in later ones
def test_stop_and_go_on_is_the_same_to_the_bit(stop, tmp_path):
    options = {"schedule": lambda step: 0.05 / (1 + step)}
    straight = Table(**options)
    expected = losses(straight, 11)
    first = Table(**options)
    before = losses(first, stop)
    checkpoint.save(tmp_path / "state", first.state_dict())
    second = Table(seed=9, **options)
    second.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert second.step == stop
    assert before + losses(second, 11 - stop) == expected
    assert torch.equal(weights(second), weights(straight))


def test_a_saved_state_does_not_follow_the_trainer():
    trainer = Table()
    list(trainer.run(2))
    state = trainer.state_dict()
    expected = losses(trainer, 5)
    trainer.load_state_dict(state)
    assert losses(trainer, 5) == expected


def test_a_run_yields_between_steps():
    trainer = Table()
    for done, _ in enumerate(trainer.run(4), 1):
        assert trainer.step == done


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 10}, "batch_size, seq_len: got 10, 5; 10 streams of 5 rows need more than the 47 rows of the table"),
        (
            {"seq_len": 15, "ahead": 1},
            "batch_size, seq_len: got 3, 15; 3 streams of 16 rows need more than the 47 rows of the table",
        ),
        ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
        ({"seq_len": 0}, "seq_len is 0; it must be at least 1"),
    ],
)
def test_more_rows_than_there_are_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Table(**options)


def test_what_a_subclass_must_say_is_asked_for():
    with pytest.raises(NotImplementedError):
        StreamTrainer(nn.Linear(1, 1), 9, generator=torch.Generator(), batch_size=1, seq_len=1, lr=0.1, max_grad_norm=1.0)
