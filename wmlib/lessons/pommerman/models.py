"""Next-state models of Pommerman that see the board as a board; the core between eye and answer can be exchanged.

Reading guide. `BoardModel._logits` is the model: a small convolution looks at the board; what it found goes, in short, into a
core (an LSTM, a DNC, or a layer without memory); what the core says is laid over the board again; and each cell, agent and
number gets a softmax. The answers of the cells start from a table, "what usually follows a thing like this", counted on the
training games and shared by all cells; the network learns what differs from it. `VectorModel` is the thesis' way, the world
model of notebook 05 on a flat vector of integers. Both have the same three methods, so that training, judging and dreaming
(`prediction_training.py`, `prediction_study.py`) do not care which is which.

Axes: B streams, T time, then as in `board_code`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import AGENTS, SIZE
from wmlib.envs.pommerman.views import BOARD, FEATURES
from wmlib.lessons.pommerman import encoding as code
from wmlib.models import world_model
from wmlib.lessons.pommerman.encoding import ACTIONS, BLASTS, BOMBS_FROM, LARGEST, MOVES, OWN_CHANGES, SMALLEST, THINGS
from wmlib.models.mdn import MixtureHead
from wmlib.models.recurrent import RecurrentCore, draw_uniform, empty_linear
from wmlib.models.world_model import WorldModel

SUMMARY = 2  # planes in which the whole board goes into the core, and in which the core can speak of single cells


class Batch(NamedTuple):
    """Hold B stretches of T steps, each seen by one agent."""

    vectors: Tensor  # uint8 (B, T, 372), view A
    following: Tensor  # uint8 (B, T, 372), one step later
    actions: Tensor  # int64 (B, T, 4), the seeing agent's first, then the others' in ascending order
    resets: Tensor  # bool (B, T), first step of a game
    full: Tensor | None = None  # uint8 (B, T, 871), view B


class Before(NamedTuple):
    """Hold all that a window of two states remembers: the picture of the last one."""

    picture: Tensor  # float32 (B, PICTURE, 121), zeros at the start of a game


class NoMemory(NamedTuple):
    """Hold nothing."""


class Window(RecurrentCore):
    """A layer where others have a core: it remembers nothing.

    Args:
        inputs: D.
        hidden: Y, numbers it says.
        generator: CPU generator for the initial weights.
    """

    def __init__(self, inputs: int, hidden: int, *, generator: torch.Generator):
        super().__init__()
        self.input_size, self.output_size = inputs, hidden
        self.layer = _linear(inputs, hidden, generator)

    def initial_state(self, batch_size: int | tuple[int, ...] = 1) -> NoMemory:
        return NoMemory()

    def features(self, state: NoMemory) -> dict[str, Tensor]:
        return {}

    def forward(self, inputs: Tensor, state: NoMemory | None = None, reset: Tensor | None = None):
        return torch.tanh(self.layer(inputs)), NoMemory()


class BoardModel(nn.Module):
    """Predict the next state of Pommerman with a convolution, a core, and one softmax for each cell, agent and number.

    Args:
        core: takes `BoardModel.CORE_INPUTS` numbers; an LSTM, a DNC, or a `Window`.
        channels: C of the convolutions.
        tables: log frequencies of what follows, as from `count_tables`: where the answers start.
        generator: CPU generator for the initial weights.
        window: True, the last state is seen too.
        known: of how many agents the actions are told: 1, the seeing one's, or 4.
        full: True, view B is seen in place of view A. What is predicted is view A all the same.

    Source: ours.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> model = BoardModel(Window(BoardModel.CORE_INPUTS, 11, generator=rng), 5, uniform_tables(), generator=rng)
        >>> sum(p.numel() for p in model.parameters())
        19436
    """

    CORE_INPUTS = 48

    def __init__(
        self,
        core: RecurrentCore,
        channels: int,
        tables: tuple[Tensor, Tensor],
        *,
        generator: torch.Generator,
        window: bool = False,
        known: int = 1,
        full: bool = False,
    ):
        super().__init__()
        if known not in (1, AGENTS):
            raise ValueError(f"known is {known}; it must be 1, the seeing agent's action, or {AGENTS}, all actions")
        self.core, self.window, self.known, self.full = core, window, known, full
        planes = code.PICTURE + code.NUMBERS + ACTIONS + (code.UNSEEN if full else 0) + (code.PICTURE if window else 0)
        self.look = nn.ModuleList([_conv(planes, channels, 3, generator), *(_conv(channels, channels, 3, generator, d)
                                                                          for d in (1, 2))])  # fmt: skip
        self.shorten = _conv(channels, SUMMARY, 1, generator)
        self.tell = _linear(SUMMARY * BOARD + (1 + AGENTS) * channels + 3 + ACTIONS, self.CORE_INPUTS, generator)
        self.everywhere = _linear(core.output_size, channels, generator)
        self.somewhere = _linear(core.output_size, SUMMARY * BOARD, generator)
        self.join = _conv(channels + SUMMARY, channels, 1, generator)
        self.cells = _conv(channels, THINGS + BLASTS, 1, generator)
        self.move = _linear(2 * channels, 2 * MOVES, generator)  # of the seeing agent, and of another
        self.own = _linear(2 * channels, sum(OWN_CHANGES), generator)
        for layer in (self.cells, self.move, self.own):
            layer.weight.detach().mul_(0.1)  # at first the tables decide
        self.next_thing, self.next_blast = (nn.Parameter(table.clone()) for table in tables)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a game, a flat tuple of tensors with B in front."""
        before = (torch.zeros(batch, code.PICTURE, BOARD),) if self.window else ()
        return (*self.core.initial_state(batch), *before)

    def _logits(self, batch: Batch, state: tuple[Tensor, ...]):
        """Return the reading, logits of cells (N, 25, 121), moves (N, 4, 6) and own changes (N, 8), N = B·T, and the state."""
        b, t = batch.resets.shape
        reading = code.read(batch.vectors.flatten(0, 1))
        seen, state = self._see(batch, reading, state)
        for i, layer in enumerate(self.look):
            seen = F.relu(layer(seen) + (seen if i else 0))
        where = reading.cells.clamp(min=0).unsqueeze(1).expand(-1, seen.shape[1], -1)
        there = (reading.cells >= 0).unsqueeze(1)
        around = seen.flatten(2).gather(2, where) * there  # (N, C, 4)
        mine = F.one_hot(batch.actions[..., 0].flatten(), ACTIONS)
        whole = [self.shorten(seen).flatten(1), around.flatten(1), seen.mean((2, 3)), reading.own[:, 2:] / 10, mine]
        told = F.relu(self.tell(torch.cat(whole, 1))).unflatten(0, (b, t))
        said, after = self._remember(told, state, batch.resets)
        said = said.flatten(0, 1)
        plane = self.somewhere(said).view(b * t, SUMMARY, SIZE, SIZE)
        joined = self.join(torch.cat([seen, plane], 1)) + self.everywhere(said)[:, :, None, None]
        joined = F.relu(joined + seen)
        cells = self.cells(joined).flatten(2)
        usual = torch.cat([self.next_thing[reading.things], self.next_blast[reading.blasts]], 2).transpose(1, 2)
        near = torch.cat([joined.flatten(2).gather(2, where) * there, around], 1).transpose(1, 2)  # (N, 4, 2C)
        both = self.move(near).unflatten(2, (2, MOVES))
        moves = torch.cat([both[:, :1, 0], both[:, 1:, 1]], 1)
        return reading, cells + usual, moves, self.own(near[:, 0]), after

    def _see(self, batch: Batch, reading: code.Reading, state: tuple[Tensor, ...]):
        b, t = batch.resets.shape
        full = batch.full.flatten(0, 1) if self.full else None
        seen = code.planes(reading, batch.actions.flatten(0, 1), self.known, full)
        if not self.window:
            return seen, state
        picture = code.picture(reading).unflatten(0, (b, t))
        before = torch.cat([state[-1].unsqueeze(1), picture[:, :-1]], 1) * ~batch.resets[..., None, None]
        before = before.flatten(0, 1).unflatten(2, (SIZE, SIZE))
        return torch.cat([seen, before], 1), (*state[:-1], picture[:, -1])

    def _remember(self, told: Tensor, state: tuple[Tensor, ...], resets: Tensor):
        kind = type(self.core.initial_state(1))
        last = state[len(kind._fields) :]
        said, held = self.core(told, kind(*state[: len(kind._fields)]), resets)
        return said, (*held, *last)

    def loss(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return -ln p of the next states, nats a state, and the new state."""
        reading, cells, moves, own, state = self._logits(batch, state)
        true = code.targets(reading, code.read(batch.following.flatten(0, 1)))
        n, bomb = len(true.things), true.things >= BOMBS_FROM
        total = F.cross_entropy(cells[:, :THINGS], true.things, reduction="sum")
        total = total + F.cross_entropy(cells[:, THINGS:].transpose(1, 2)[bomb], true.blasts[bomb], reduction="sum")
        total = total + F.cross_entropy(moves.flatten(0, 1), true.moves.flatten(), ignore_index=-1, reduction="sum")
        for part, truth in zip(own.split(OWN_CHANGES, 1), true.own.T, strict=True):
            total = total + F.cross_entropy(part, truth, reduction="sum")
        return total / n, state

    @torch.no_grad()
    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest next states, uint8 (B, T, 372), agents chosen jointly, and the new state."""
        reading, cells, moves, own, state = self._logits(batch, state)
        things, blasts = cells[:, :THINGS].argmax(1), cells[:, THINGS:].argmax(1)
        joint = code.likeliest_moves(reading, moves.log_softmax(2))
        changes = torch.stack([part.argmax(1) for part in own.split(OWN_CHANGES, 1)], 1)
        made = code.write(reading, things, blasts, joint, changes)
        return made.unflatten(0, batch.resets.shape), state


class VectorModel(nn.Module):
    """Predict view A as the thesis does: integers in, a mixture density for each component out, its mode rounded.

    Args:
        core: takes 372 + 6 numbers, see `WorldModel`.
        components: K of each mixture.
        generator: CPU generator for the initial weights of the heads.
        difference: True, the mixture is of the change and not of the next state itself.

    Source: Mufti's thesis, as far as its summary says: integers, MDN, equality of components. Ours: the scale (each component
        by its largest value), K, the floor of the standard deviation at a tenth of an integer (most components stand still,
        and the likelihood has no bound without a floor), the logit "I die" that every `WorldModel` has.
    """

    MIN_STD = 0.1 / 13

    def __init__(self, core: RecurrentCore, components: int, *, generator: torch.Generator, difference: bool = False):
        super().__init__()
        self.difference = difference
        self.model = WorldModel(core, FEATURES, components=components, normalize=False, generator=generator)
        # the world model's own head has a floor for latents, a hundred times lower
        head = {"min_std": self.MIN_STD, "generator": generator}
        self.model.mixture = MixtureHead(core.output_size, FEATURES, components, **head)
        self.register_buffer("scale", torch.from_numpy(LARGEST.astype(np.float32)), persistent=False)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a game, a flat tuple of tensors with B in front."""
        return tuple(self.model.core.initial_state(batch))

    def _run(self, batch: Batch, state: tuple[Tensor, ...]):
        kind = type(self.model.core.initial_state(1))
        actions = F.one_hot(batch.actions[..., 0], ACTIONS).float()
        prediction, after = self.model(batch.vectors / self.scale, actions, kind(*state), batch.resets)
        return prediction, tuple(after)

    def loss(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the world model's loss, nats a component, and the new state."""
        prediction, state = self._run(batch, state)
        start = batch.vectors / self.scale if self.difference else 0.0
        me = code.read(batch.following.flatten(0, 1)).cells[:, 0].view_as(batch.resets)
        target = batch.following / self.scale - start
        losses = world_model.loss(prediction, target, me < 0, torch.ones_like(batch.resets))
        return losses.total, state

    @torch.no_grad()
    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the mixtures' modes as states, uint8 (B, T, 372), and the new state."""
        prediction, state = self._run(batch, state)
        start = batch.vectors / self.scale if self.difference else 0.0
        return to_integers((prediction.mixture.mode() + start) * self.scale), state


def to_integers(values: Tensor) -> Tensor:
    """Round components of view A, and clip each to its range: float (..., 372) to uint8.

    Example:
        >>> to_integers(torch.full((1, 372), 11.6))[0, [0, 121, 242, 363, 366, 367]].tolist()
        [12, 10, 9, 10, 10, 1]
    """
    low, high = (torch.from_numpy(limit.astype(np.float32)) for limit in (SMALLEST, LARGEST))
    return torch.minimum(torch.maximum(values.round(), low), high).to(torch.uint8)


def count_tables(vectors: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Count which thing follows which, and which blast strength; return ln of the frequencies, (16, 16) and (11, 9).

    Args:
        vectors, following: uint8 (N, 372), consecutive states.
    """
    now, after = code.read(vectors), code.read(following)
    pairs = torch.bincount((now.things * THINGS + after.things).flatten(), minlength=THINGS**2).view(THINGS, THINGS)
    bomb = after.blasts > 0
    strengths = torch.bincount(now.blasts[bomb] * BLASTS + after.blasts[bomb] - 2, minlength=11 * BLASTS).view(11, BLASTS)
    return tuple(((table + 0.1) / (table + 0.1).sum(1, keepdim=True)).log().float() for table in (pairs, strengths))


def uniform_tables() -> tuple[Tensor, Tensor]:
    """Return tables that know nothing."""
    return torch.zeros(THINGS, THINGS), torch.zeros(11, BLASTS)


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    made = empty_linear(inputs, outputs)
    draw_uniform(made, inputs, generator)
    return made


def _conv(inputs: int, outputs: int, size: int, generator: torch.Generator, dilation: int = 1) -> nn.Conv2d:
    made = nn.utils.skip_init(nn.Conv2d, inputs, outputs, size, padding=dilation * (size // 2), dilation=dilation)
    bound = math.sqrt(1 / (inputs * size * size))
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return made
