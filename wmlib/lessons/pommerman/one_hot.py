"""The thesis' models given a fair trial: one-hot integers in, a skip from the input to the answer, two kinds of heads.

Reading guide. `OneHotModel.forward_core` is the way in: each of the 372 integers is a one-hot vector, all of them go through
one linear layer (a sum of its columns, so an embedding) into a recurrent core. `OneHotModel._raw` is the way out: a linear
layer reads the core, and a table adds what usually follows the numbers in a cell: the *input skip*. `skip_rows` looks them up
as they are after the agent's own action. So the core need not carry 121 cells through its hidden vector, and learns what
differs from the best table. The raw answers are read by a
*categorical* head (a softmax over the integers of a component) or a *mixture* head (Gaussians, as the thesis has it, of which
the integer with the largest mass is predicted).

Axes: N states, B streams, T time; 121 cells, 3 numbers a cell; 9 numbers of one's own; K mixture components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import SIZE
from wmlib.envs.pommerman.views import BOARD
from wmlib.lessons.pommerman.baselines import CELL_VALUES, cell_index
from wmlib.lessons.pommerman.data import Batch, SequenceModel
from wmlib.lessons.pommerman.encoding import ACTIONS, NUMBERS
from wmlib.lessons.pommerman.own_action import carry_out
from wmlib.models.layers import linear
from wmlib.models.mdn import Mixture
from wmlib.models.recurrent import RecurrentCore

HEADS = ("mixture", "categorical")
NUMBER_VALUES = (11, 11, 11, 11, 2, 14, 14, 14, 14)  # of row, column, ammo, blast strength, kick, teammate, enemies
SIZES = np.r_[np.repeat(CELL_VALUES, BOARD), NUMBER_VALUES]  # values of each component, from 0
CELL_ROWS = int(np.prod(CELL_VALUES))  # combinations of the three numbers in a cell
NUMBER_ROWS = np.cumsum([0, *NUMBER_VALUES[:-1]])  # the first row of each own number
INPUTS = 128  # numbers that the one-hot vectors become before the core
MIN_STD = 0.1  # of an integer: most components stay as they are, and the likelihood has no bound without a floor
FIRST_STD = 0.25  # of each Gaussian before training
RAREST = -8.0  # ln of the smallest frequency that a table starts with


class Counts(NamedTuple):
    """Hold how often which value followed: where the skip starts."""

    cells: Tensor  # float (3080, 35): by the row of a cell; the values of each of its three numbers, one after another
    numbers: Tensor  # float (sum(NUMBER_VALUES), 14): by the row of an own number


def skip_rows(states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows in which the skip looks: the state as if the agent had done its action and nothing else had happened.

    The cell in which the agent then is has rows of its own, and a bomb that it has just laid has no life yet: so nobody else's
    cells are mixed up with either.

    Args:
        states: uint8 (N, 372), now.
        actions: int64 (N,), of the agent that sees.

    Returns:
        int64 (N, 121), of the cells, and (N, 9), of one's own numbers.
    """
    done = carry_out(states, actions, states)
    done[:, 2 * BOARD : NUMBERS] = states[:, 2 * BOARD : NUMBERS]
    numbers = done[:, NUMBERS:].astype(np.int64)
    cells = cell_index(done)
    cells[np.arange(len(cells)), numbers[:, 0] * SIZE + numbers[:, 1]] += CELL_ROWS
    return cells, numbers + NUMBER_ROWS


def count(vectors: np.ndarray, actions: np.ndarray, following: np.ndarray) -> Counts:
    """Count what follows in each row of `skip_rows`.

    Args:
        vectors, following: uint8 (N, 372), consecutive states.
        actions: int64 (N,), of the agent that sees.
    """
    cells, own = skip_rows(vectors, actions)
    total = 2 * CELL_ROWS
    planes = []
    for plane, size in enumerate(CELL_VALUES):
        after = following[:, plane * BOARD : (plane + 1) * BOARD]
        planes.append(np.bincount((cells * size + after).ravel(), minlength=total * size).reshape(total, size))
    numbers = np.zeros((sum(NUMBER_VALUES), max(NUMBER_VALUES)))
    np.add.at(numbers, (own, following[:, NUMBERS:]), 1)
    return Counts(*(torch.from_numpy(table).float() for table in (np.concatenate(planes, 1), numbers)))


def no_counts() -> Counts:
    """Return the counts of nothing: a skip that starts from them copies, but for what one's own action does."""
    return Counts(torch.zeros(2 * CELL_ROWS, sum(CELL_VALUES)), torch.zeros(sum(NUMBER_VALUES), max(NUMBER_VALUES)))


class OneHotModel(SequenceModel):
    """Predict view A from one-hot integers through a recurrent core, with a skip from the input to the answer.

    Args:
        core: takes `INPUTS` numbers.
        head: "mixture" or "categorical".
        counts: of training games, where the skip starts.
        num_components: K of each mixture.
        generator: CPU generator for the initial weights.

    Raises:
        ValueError: another head.

    Source: ours. Mufti's thesis has an MDN, integers and the equality of components; the coding of its inputs is not known.
    """

    offsets: Tensor

    def __init__(self, core: RecurrentCore, head: str, counts: Counts, *, num_components: int = 3, generator: torch.Generator):
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head: got {head!r}; allowed are {', '.join(HEADS)}")
        self.core, self.head, self.num_components = core, head, num_components
        first = np.cumsum([0, *SIZES[:-1]])
        self.register_buffer("offsets", torch.from_numpy(first), persistent=False)
        columns = torch.empty(int(SIZES.sum()), INPUTS).uniform_(-1, 1, generator=generator)
        own = sum(NUMBER_VALUES)
        columns[:-own] *= NUMBERS**-0.5  # so that what is on the board and what is one's own weigh the same at first:
        columns[-own:] *= len(NUMBER_VALUES) ** -0.5  # 363 and 9 of these inputs are 1
        self.embed = nn.EmbeddingBag.from_pretrained(columns, freeze=False, mode="sum")
        self.embed_action = linear(ACTIONS, INPUTS, generator)
        plane_outputs, number_outputs = self._outputs()
        self.to_cells = linear(INPUTS + core.output_size, BOARD * sum(plane_outputs), generator)
        self.to_numbers = linear(INPUTS + core.output_size, sum(number_outputs), generator)
        for layer in (self.to_cells, self.to_numbers):
            layer.weight.detach().mul_(0.1)  # at first the tables decide
            layer.bias.detach().zero_()
        self.cell_skip, self.number_skip = (nn.Parameter(table) for table in self._first_tables(counts))

    def _outputs(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return how many raw numbers each of the three numbers of a cell gets, and each of one's own."""
        if self.head == "categorical":
            return CELL_VALUES, NUMBER_VALUES
        return [3 * self.num_components] * 3, [3 * self.num_components] * len(NUMBER_VALUES)

    def _first_tables(self, counts: Counts) -> tuple[Tensor, Tensor]:
        """Return raw answers that say what was counted, for `cells` and `numbers` of `Counts`: float (rows, outputs)."""
        index = torch.arange(len(counts.cells)) % CELL_ROWS
        now = (index // (CELL_VALUES[1] * CELL_VALUES[2]), index // CELL_VALUES[2] % CELL_VALUES[1], index % CELL_VALUES[2])
        planes = [
            self._answers(_log_frequencies(part, value))
            for part, value in zip(counts.cells.split(CELL_VALUES, 1), now, strict=True)
        ]
        numbers = []
        for part, size in zip(counts.numbers.split(NUMBER_VALUES), NUMBER_VALUES, strict=True):
            numbers.append(F.pad(self._answers(_log_frequencies(part[:, :size], torch.arange(size))), (0, self._pad(size))))
        return torch.cat(planes, 1), torch.cat(numbers)

    def _pad(self, size: int) -> int:
        return max(NUMBER_VALUES) - size if self.head == "categorical" else 0

    def _answers(self, log_frequencies: Tensor) -> Tensor:
        """Return raw answers of the head that say these frequencies, float (n, values) to (n, outputs)."""
        if self.head == "categorical":
            return log_frequencies
        k = min(self.num_components, log_frequencies.shape[1])
        logits, values = log_frequencies.topk(k, 1)
        spare = self.num_components - k
        logits = F.pad(logits, (0, spare), value=RAREST)
        means = F.pad(values.float(), (0, spare))
        return torch.cat([logits, means, torch.full_like(means, np.log(FIRST_STD))], 1)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""
        return tuple(self.core.initial_state(batch_size))

    def forward_core(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return what the answers are read from, float (N, INPUTS + Y), N = B·T, and the core's new state."""
        values = batch.vectors.flatten(0, 1).long() + self.offsets
        action = F.one_hot(batch.actions[..., 0].flatten(), ACTIONS).float()
        inputs = F.relu(self.embed(values) + self.embed_action(action)).unflatten(0, batch.resets.shape)
        state_type = self.core.state_type
        outputs, core_state = self.core(inputs, state_type(*state), batch.resets)
        return torch.cat([inputs, outputs], 2).flatten(0, 1), tuple(core_state)

    def _raw(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Return the raw answers: three of the cells, float (N, 121, outputs), then nine, float (N, outputs); and the state."""
        features, state = self.forward_core(batch, state)
        known = batch.vectors.flatten(0, 1).numpy(), batch.actions[..., 0].flatten().numpy()  # the state, and one's own action
        cell_rows, number_rows = (torch.from_numpy(rows) for rows in skip_rows(*known))
        cells = self.to_cells(features).unflatten(1, (BOARD, -1)) + F.embedding(cell_rows, self.cell_skip)
        plane_outputs, number_outputs = self._outputs()
        own = F.embedding(number_rows, self.number_skip)  # (N, 9, outputs)
        numbers = [
            part + own[:, i, : part.shape[1]] for i, part in enumerate(self.to_numbers(features).split(number_outputs, 1))
        ]
        return [*cells.split(list(plane_outputs), 2), *numbers], state

    def _mixture(self, raw: list[Tensor]) -> Mixture:
        """Return the mixtures of all components, parameters (N, K, 372)."""
        outputs = torch.cat([*raw[:3], torch.stack(raw[3:], 1)], 1).transpose(1, 2)  # (N, 3K, 372)
        logits, means, log_stds = outputs.split(self.num_components, 1)
        return Mixture(logits, means, torch.logaddexp(log_stds, torch.tensor(MIN_STD).log()))

    def loss(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return -ln p of the next states, nats a component, and the new state."""
        raw, state = self._raw(batch, state)
        following = batch.following.flatten(0, 1)
        if self.head == "mixture":
            return -self._mixture(raw).marginal_log_prob(following.float()).mean(), state
        truth = following.long()
        total = torch.zeros(())
        for p, part in enumerate(raw[:3]):
            plane = truth[:, p * BOARD : (p + 1) * BOARD]
            total = total + F.cross_entropy(part.flatten(0, 1), plane.flatten(), reduction="sum")
        for i, part in enumerate(raw[3:]):
            total = total + F.cross_entropy(part, truth[:, NUMBERS + i], reduction="sum")
        return total / following.numel(), state

    @torch.no_grad()
    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest value of each component, uint8 (B, T, 372), and the new state."""
        raw, state = self._raw(batch, state)
        if self.head == "mixture":
            vectors = likeliest_integers(self._mixture(raw))
        else:
            vectors = torch.cat([*(part.argmax(2) for part in raw[:3]), *(part.argmax(1, keepdim=True) for part in raw[3:])], 1)
        return vectors.to(torch.uint8).unflatten(0, batch.resets.shape), state


def likeliest_integers(mixture: Mixture) -> Tensor:
    """Return, for each component of view A, the allowed integer whose surroundings, half to each side, have the most mass.

    To the smallest and the largest allowed one belongs all that lies beyond.

    Args:
        mixture: parameters (N, K, 372), in integers.

    Returns:
        int64 (N, 372).
    """
    sizes = torch.from_numpy(SIZES.astype(np.int64))
    weights = mixture.weights()
    stds = mixture.log_stds.exp()
    below = torch.zeros_like(mixture.means[:, 0])
    best = torch.full_like(below, -1.0)
    choice = torch.zeros_like(below, dtype=torch.int64)
    for value in range(int(sizes.max())):
        upto = (weights * torch.special.ndtr((value + 0.5 - mixture.means) / stds)).sum(1)
        upto = upto.masked_fill(sizes - 1 == value, 1.0)
        mass = (upto - below if value else upto).masked_fill(sizes <= value, -1.0)
        choice = torch.where(mass > best, value, choice)
        best = torch.maximum(mass, best)
        below = upto
    return choice


def _log_frequencies(counts: Tensor, now: Tensor) -> Tensor:
    """Return ln of frequencies, at least `RAREST`; what was never met stays as it is now: int64 (n,)."""
    counts = counts + 0.5 * F.one_hot(now, counts.shape[1])
    return (counts / counts.sum(1, keepdim=True)).log().clamp(min=RAREST)
