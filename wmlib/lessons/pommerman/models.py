"""Next-state models of Pommerman; the core between encoder and answer can be exchanged.

Reading guide. `BoardModel._logits` is the model: a small convolution encodes the board; a summary of it goes into a core (an
LSTM, a DNC, or a feed-forward layer); the core's output is added to the board again; and each cell, agent and number gets a
softmax. The answers of the cells start from a table, "what usually follows this cell type", counted on the training games and
shared by all cells; the network learns what differs from it. `VectorModel` is the thesis' way taken by its word, the world
model of notebook 05 on a flat vector of integers; the thesis' way given a fair trial is in `one_hot`. All have the same three
methods, so that training (`pipeline`), evaluation and dreams (`measures`) do not care which is which.

Axes: B streams, T time, then as in `encoding`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.envs.pommerman.layout import AGENTS, SIZE
from wmlib.envs.pommerman.views import BOARD, FEATURES
from wmlib.lessons.pommerman import encoding
from wmlib.lessons.pommerman.data import Batch, SequenceModel
from wmlib.lessons.pommerman.encoding import (
    ACTIONS,
    BLASTS,
    BOARD_PLANES,
    CELL_TYPES,
    CHANGE_CLASSES,
    FIRST_BOMB,
    HIDDEN_PLANES,
    LARGEST,
    MOVES,
    NUMBER_PLANES,
    SMALLEST,
    ParsedView,
)
from wmlib.models import world_model
from wmlib.models.layers import conv2d, linear
from wmlib.models.mdn import MixtureHead
from wmlib.models.recurrent import RecurrentCore
from wmlib.models.world_model import Prediction, WorldModel

SUMMARY_PLANES = 2  # in which the whole board goes into the core, and in which the core's output reaches single cells


class Logits(NamedTuple):
    """Hold the answers of a `BoardModel` about N states."""

    cells: Tensor  # float (N, 25, 121): cell types, then blast strengths
    moves: Tensor  # float (N, 4, 6)
    changes: Tensor  # float (N, 8), of own numbers, see `CHANGE_CLASSES`


class BoardModel(SequenceModel):
    """Predict the next state of Pommerman with a convolution, a core, and one softmax for each cell, agent and number.

    Args:
        core: takes `BoardModel.CORE_INPUTS` numbers; an LSTM, a DNC, or a feed-forward layer.
        channels: C of the convolutions.
        tables: log frequencies of what follows, as from `count_tables`: where the answers start.
        generator: CPU generator for the initial weights.
        window: True, the last state is seen too.
        known_actions: of how many agents the actions are given: 1, the seeing one's, or 4.
        full: True, view B is seen in place of view A. What is predicted is view A all the same.

    Raises:
        ValueError: another number of known actions.

    Source: ours.

    Example:
        >>> rng = torch.Generator().manual_seed(0)
        >>> from wmlib.models.feedforward import FeedForward
        >>> core = FeedForward(BoardModel.CORE_INPUTS, 11, generator=rng)
        >>> model = BoardModel(core, 5, uniform_tables(), generator=rng)
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
        known_actions: int = 1,
        full: bool = False,
    ):
        super().__init__()
        if known_actions not in (1, AGENTS):
            raise ValueError(
                f"known_actions is {known_actions}; it must be 1, the seeing agent's action, or {AGENTS}, all actions"
            )
        self.core, self.window, self.known_actions, self.full = core, window, known_actions, full
        planes = BOARD_PLANES + NUMBER_PLANES + ACTIONS + (HIDDEN_PLANES if full else 0) + (BOARD_PLANES if window else 0)
        self.encoder = nn.ModuleList([conv2d(planes, channels, 3, generator)])
        self.encoder.extend(conv2d(channels, channels, 3, generator, dilation) for dilation in (1, 2))
        self.squeeze = conv2d(channels, SUMMARY_PLANES, 1, generator)
        summary_size = SUMMARY_PLANES * BOARD + (1 + AGENTS) * channels + 3 + ACTIONS
        self.encode = linear(summary_size, self.CORE_INPUTS, generator)
        self.core_to_channels = linear(core.output_size, channels, generator)
        self.core_to_board = linear(core.output_size, SUMMARY_PLANES * BOARD, generator)
        self.join = conv2d(channels + SUMMARY_PLANES, channels, 1, generator)
        self.cells = conv2d(channels, CELL_TYPES + BLASTS, 1, generator)
        self.moves = linear(2 * channels, 2 * MOVES, generator)  # of the seeing agent, and of another
        self.changes = linear(2 * channels, sum(CHANGE_CLASSES), generator)
        for layer in (self.cells, self.moves, self.changes):
            layer.weight.detach().mul_(0.1)  # at first the tables decide
        self.next_cell_type, self.next_blast = (nn.Parameter(table.clone()) for table in tables)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""
        last_board = (torch.zeros(batch_size, BOARD_PLANES, BOARD),) if self.window else ()
        return (*self.core.initial_state(batch_size), *last_board)

    def _logits(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[ParsedView, Logits, tuple[Tensor, ...]]:
        """Return the parsed views, the logits, and the new state; N = B·T."""
        parsed = encoding.parse(batch.vectors.flatten(0, 1))
        planes, state = self._input_planes(batch, parsed, state)
        encoded = F.relu(self.encoder[0](planes))  # (N, C, 11, 11)
        for layer in self.encoder[1:]:
            encoded = F.relu(layer(encoded) + encoded)
        agent_cells = parsed.cells.clamp(min=0).unsqueeze(1).expand(-1, encoded.shape[1], -1)
        on_board = (parsed.cells >= 0).unsqueeze(1)
        at_agents = encoded.flatten(2).gather(2, agent_cells) * on_board  # (N, C, 4)
        action = F.one_hot(batch.actions[..., 0].flatten(), ACTIONS)
        board = self.squeeze(encoded).flatten(1)
        summary = [board, at_agents.flatten(1), encoded.mean((2, 3)), parsed.numbers[:, 2:] / 10, action]
        core_inputs = F.relu(self.encode(torch.cat(summary, 1))).unflatten(0, batch.resets.shape)
        core_outputs, state = self._run_core(core_inputs, state, batch.resets)
        core_outputs = core_outputs.flatten(0, 1)
        on_cells = self.core_to_board(core_outputs).view(-1, SUMMARY_PLANES, SIZE, SIZE)
        joined = self.join(torch.cat([encoded, on_cells], 1)) + self.core_to_channels(core_outputs)[:, :, None, None]
        joined = F.relu(joined + encoded)
        cells = self.cells(joined).flatten(2)
        tables = torch.cat([self.next_cell_type[parsed.cell_types], self.next_blast[parsed.blasts]], 2).transpose(1, 2)
        near_agents = torch.cat([joined.flatten(2).gather(2, agent_cells) * on_board, at_agents], 1).transpose(1, 2)
        own_or_other = self.moves(near_agents).unflatten(2, (2, MOVES))  # near_agents: (N, 4, 2C)
        moves = torch.cat([own_or_other[:, :1, 0], own_or_other[:, 1:, 1]], 1)
        return parsed, Logits(cells + tables, moves, self.changes(near_agents[:, 0])), state

    def _input_planes(self, batch: Batch, parsed: ParsedView, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return what the encoder sees, float32 (N, planes, 11, 11), and the state with the last board in it."""
        full = None
        if self.full:
            if batch.full is None:
                raise ValueError("batch.full: got None; this model sees view B, so read batches with full=True")
            full = batch.full.flatten(0, 1)
        planes = encoding.input_planes(parsed, batch.actions.flatten(0, 1), self.known_actions, full)
        if not self.window:
            return planes, state
        boards = encoding.board_planes(parsed).unflatten(0, batch.resets.shape)
        last = torch.cat([state[-1].unsqueeze(1), boards[:, :-1]], 1) * ~batch.resets[..., None, None]
        last = last.flatten(0, 1).unflatten(2, (SIZE, SIZE))
        return torch.cat([planes, last], 1), (*state[:-1], boards[:, -1])

    def _run_core(self, inputs: Tensor, state: tuple[Tensor, ...], resets: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the core: inputs float (B, T, D) to outputs (B, T, Y); what is no part of its state stays as it is."""
        state_type = self.core.state_type
        size = len(state_type._fields)
        outputs, core_state = self.core(inputs, state_type(*state[:size]), resets)
        return outputs, (*core_state, *state[size:])

    def loss(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return -ln p of the next states, nats a state, and the new state."""
        parsed, logits, state = self._logits(batch, state)
        true = encoding.targets(parsed, encoding.parse(batch.following.flatten(0, 1)))
        bomb = true.cell_types >= FIRST_BOMB
        total = F.cross_entropy(logits.cells[:, :CELL_TYPES], true.cell_types, reduction="sum")
        blasts = logits.cells[:, CELL_TYPES:].transpose(1, 2)
        total = total + F.cross_entropy(blasts[bomb], true.blasts[bomb], reduction="sum")
        moves = logits.moves.flatten(0, 1)
        total = total + F.cross_entropy(moves, true.moves.flatten(), ignore_index=-1, reduction="sum")
        for part, truth in zip(logits.changes.split(CHANGE_CLASSES, 1), true.changes.T, strict=True):
            total = total + F.cross_entropy(part, truth, reduction="sum")
        return total / len(true.cell_types), state

    @torch.no_grad()
    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the likeliest next states, uint8 (B, T, 372), agents chosen jointly, and the new state."""
        parsed, logits, state = self._logits(batch, state)
        cell_types = logits.cells[:, :CELL_TYPES].argmax(1)
        blasts = logits.cells[:, CELL_TYPES:].argmax(1)
        moves = encoding.likeliest_moves(parsed, logits.moves.log_softmax(2))
        changes = torch.stack([part.argmax(1) for part in logits.changes.split(CHANGE_CLASSES, 1)], 1)
        vectors = encoding.write(parsed, cell_types, blasts, moves, changes)
        return vectors.unflatten(0, batch.resets.shape), state


class VectorModel(SequenceModel):
    """Predict view A as the thesis does: integers in, a mixture density for each component out, its mode rounded.

    Args:
        core: takes 372 + 6 numbers, see `WorldModel`.
        num_components: K of each mixture.
        generator: CPU generator for the initial weights of the heads.

    Source: Mufti's thesis, as far as its summary says: integers, MDN, equality of components. Ours: the scale (each component
        by its largest value), K, the floor of the standard deviation at a tenth of an integer (most components stay the same,
        and the likelihood has no bound without a floor), the logit "I die" that every `WorldModel` has.
    """

    MIN_STD = 0.1 / 13
    scale: Tensor

    def __init__(self, core: RecurrentCore, num_components: int, *, generator: torch.Generator):
        super().__init__()
        self.model = WorldModel(core, FEATURES, num_components=num_components, normalize=False, generator=generator)
        # the world model's own head has a floor for latents, a hundred times lower
        self.model.mixture = MixtureHead(core.output_size, FEATURES, num_components, min_std=self.MIN_STD, generator=generator)
        self.register_buffer("scale", torch.from_numpy(LARGEST.astype(np.float32)), persistent=False)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Return the state at the start of a life, a flat tuple of tensors with B in front."""
        return tuple(self.model.core.initial_state(batch_size))

    def _run(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Prediction, tuple[Tensor, ...]]:
        state_type = self.model.core.state_type
        actions = F.one_hot(batch.actions[..., 0], ACTIONS).float()
        prediction, core_state = self.model(batch.vectors / self.scale, actions, state_type(*state), batch.resets)
        return prediction, tuple(core_state)

    def loss(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the world model's loss, nats a component, and the new state."""
        prediction, state = self._run(batch, state)
        own_cell = encoding.parse(batch.following.flatten(0, 1)).cells[:, 0].view_as(batch.resets)
        target = batch.following / self.scale
        losses = world_model.loss(prediction, target, own_cell < 0, torch.ones_like(batch.resets))
        return losses.total, state

    @torch.no_grad()
    def predict(self, batch: Batch, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the mixtures' modes as states, uint8 (B, T, 372), and the new state."""
        prediction, state = self._run(batch, state)
        return to_integers(prediction.mixture.mode() * self.scale), state


def to_integers(values: Tensor) -> Tensor:
    """Round components of view A, and clip each to its range: float (..., 372) to uint8.

    Example:
        >>> to_integers(torch.full((1, 372), 11.6))[0, [0, 121, 242, 363, 366, 367]].tolist()
        [12, 10, 9, 10, 10, 1]
    """
    low, high = (torch.from_numpy(limit.astype(np.float32)) for limit in (SMALLEST, LARGEST))
    return torch.minimum(torch.maximum(values.round(), low), high).to(torch.uint8)


def count_tables(vectors: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Count which cell type follows which, and which blast strength.

    Args:
        vectors, following: uint8 (N, 372), consecutive states.

    Returns:
        ln of the frequencies, float32 (16, 16) and (11, 9).
    """
    now = encoding.parse(vectors)
    after = encoding.parse(following)
    types = torch.bincount((now.cell_types * CELL_TYPES + after.cell_types).flatten(), minlength=CELL_TYPES**2)
    bomb = after.blasts > 0
    strengths = torch.bincount(now.blasts[bomb] * BLASTS + after.blasts[bomb] - 2, minlength=11 * BLASTS)
    return _log_frequencies(types.view(CELL_TYPES, CELL_TYPES)), _log_frequencies(strengths.view(11, BLASTS))


def _log_frequencies(counts: Tensor) -> Tensor:
    return ((counts + 0.1) / (counts + 0.1).sum(1, keepdim=True)).log().float()


def uniform_tables() -> tuple[Tensor, Tensor]:
    """Return tables that know nothing."""
    return torch.zeros(CELL_TYPES, CELL_TYPES), torch.zeros(11, BLASTS)
