"""Stages of notebook 06: games of scripted players, and models that foretell the next state.

Reading guide. `games` plays and keeps full states; `split` says which games are for what. A `Net` is all that determines a
model, its data aside; `train` trains some of them, `search` tries learning rates on validation games. What trained models
are worth is in `pommerman_study`. Everything is found again in the cache by what determines it; a stopped training goes on
from its checkpoint.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn

from wmlib.envs.pommerman import Games, Style, act, boards, layout, players, rules, views
from wmlib.envs.pommerman import games as many
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.progress import progress
from wmlib.experiment.run import Run
from wmlib.models import lstm, mdn, recurrent, world_model
from wmlib.lessons.pommerman import encoding as board_code
from wmlib.lessons.pommerman import models as board_model
from wmlib.lessons.pommerman import hidden_numbers
from wmlib.lessons.pommerman import data as prediction_training
from wmlib.training import streams
from wmlib.lessons.pommerman.models import BoardModel, VectorModel, Window, count_tables
from wmlib.models.dnc import DNC, addressing, core, fast, kernels, memory
from wmlib.lessons.pommerman.hidden_numbers import Tracker
from wmlib.models.lstm import LSTM
from wmlib.lessons.pommerman.data import Record, Trainer, Views
from wmlib.training.jobs import advance, falling, finish, quiet_workers

RANDOM = Style(0.0, 0.0, 1.0)  # does anything at all
# who plays, game by game in turn: scripted players, careless ones, and mixed company
COMPANIES = (("simple",) * 4, ("simple", "chaos", "simple", "simple"), ("chaos",) * 4, ("simple", RANDOM, "chaos", "simple"))
BLOCK = 20  # games that one worker plays side by side; a part of what determines them
HELD_OUT = 0.1  # share of the games for validation, and again for the test; two at least
RATES = {"board": (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2), "vector": (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3),
         "tracker": (2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2)}  # fmt: skip
DECAY = 0.6  # share of a training over which the rate falls
COUNTED = 40_000  # steps behind the tables
ENGINE = [boards, layout, many, players, rules, views]
MODEL_CODE = [board_code, board_model, hidden_numbers, prediction_training, streams, world_model, mdn, recurrent, lstm, core,
              fast, kernels, memory, addressing]  # fmt: skip


@dataclass(frozen=True)
class Net:
    """What determines a model, its data aside.

    Args:
        family: "board" (`BoardModel`), "vector" (`VectorModel`, the thesis' way) or "tracker" (`Tracker`).
        core: "lstm", "dnc", or for a board "none".
        hidden: H, LSTM cells (of the controller, in a DNC), or numbers of the layer that stands for a core.
        slots, width, heads: N, W, R of a DNC.
        channels: of a board model's convolutions.
        window, known, full: see `BoardModel`.
        difference: see `VectorModel`.
        updates, batch, length, rate: of the training, see `Trainer`.
        index: number of the random start.
    """

    family: str = "board"
    core: str = "none"
    hidden: int = 64
    slots: int = 16
    width: int = 16
    heads: int = 2
    channels: int = 16
    window: bool = False
    known: int = 1
    full: bool = False
    difference: bool = False
    updates: int = 3000
    batch: int = 8
    length: int = 8
    rate: float = 4e-3
    index: int = 0

    def rate_at(self, step: int) -> float:
        return falling(step, self.updates, self.rate, DECAY)

    def build(self, tables: tuple, generator: torch.Generator) -> nn.Module:
        """Make the model, its weights drawn by the generator.

        Raises:
            ValueError: no such family or core.
        """
        sizes = {"board": BoardModel.CORE_INPUTS, "vector": views.FEATURES + board_code.ACTIONS,
                 "tracker": hidden_numbers.INPUTS}  # fmt: skip
        if self.family not in sizes or self.core not in ("lstm", "dnc", *(("none",) if self.family == "board" else ())):
            raise ValueError(
                f"family, core: got {self.family!r}, {self.core!r}; allowed are board, vector and tracker with lstm or dnc, "
                "and board with none"
            )
        inputs = sizes[self.family]
        if self.core == "lstm":
            network = LSTM(inputs, self.hidden, generator=generator, forget_bias=1.0)
        elif self.core == "dnc":
            biases = {"allocation_gate": -3.0}  # the start that helped in notebook 03
            network = DNC(inputs, self.hidden, self.slots, self.width, self.heads, generator=generator, biases=biases)
        else:
            network = Window(inputs, self.hidden, generator=generator)
        if self.family == "board":
            options = {"window": self.window, "known": self.known, "full": self.full}
            return BoardModel(network, self.channels, tables, generator=generator, **options)
        if self.family == "vector":
            return VectorModel(network, 3, generator=generator, difference=self.difference)
        return Tracker(network, generator=generator)


class Split(NamedTuple):
    """Hold which games are for what."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def games(run: Run, count: int) -> Path:
    """Play games; return their folder, for `record`.

    Args:
        run: its seed determines them; how many workers there are does not matter.
        count: at least 10.

    Raises:
        ValueError: count below 10.
    """
    if count < 10:
        raise ValueError(f"count: got {count!r}; allowed is 10 and above, so that some games can be held out")

    def make(folder: Path) -> None:
        jobs = [delayed(_play)(run.seed, first, min(BLOCK, count - first)) for first in range(0, count, BLOCK)]
        with quiet_workers():
            workers = Parallel(n_jobs=1 if len(jobs) < 4 else -1, return_as="generator")
            found = list(progress(workers(jobs), "games", len(jobs)))
        states, actions, lengths = ([part for block in found for part in block[i]] for i in range(3))
        np.save(folder / "states.npy", np.concatenate(states))
        np.save(folder / "actions.npy", np.concatenate(actions))
        np.save(folder / "starts.npy", np.cumsum([0, *lengths]))

    return run.cache.folder("pommerman-games", make, {"seed": run.seed, "count": count, "block": BLOCK}, ENGINE)


def _play(seed: int, first: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Play `count` games from number `first` on: states, actions and number of states of each."""
    rng = seeding.generator(seed, "pommerman games", first)
    table = Games(count, rng, starts=count)
    company = [COMPANIES[(first + g) % len(COMPANIES)] for g in range(count)]
    states, actions = [[] for _ in range(count)], [[] for _ in range(count)]
    going = np.ones(count, bool)
    while going.any():
        chosen = np.concatenate([act(table.rows[g : g + 1], rng, company[g]) for g in range(count)])
        now = table.full_states()
        for g in np.flatnonzero(going):
            states[g].append(now[g])
            actions[g].append(chosen[g])
        going &= table.running
        table.step(chosen)
    lengths = [len(part) for part in states]
    return [np.stack(part) for part in states], [np.stack(part) for part in actions], lengths


def record(folder: Path) -> Record:
    """Return the games in a folder."""
    parts = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in Record._fields)
    return Record(*(part.view(np.ndarray) for part in parts))


def split(games: Record) -> Split:
    """Return the games for training, validation and test: the last ones are held out, in whole games."""
    count = len(games.starts) - 1
    held = max(2, round(HELD_OUT * count))
    return Split(*np.split(np.arange(count), [count - 2 * held, count - held]))


@functools.lru_cache(maxsize=2)  # a worker asks again at every block of a training
def counted(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return states and next states of training games for the tables: uint8 (N, 372) twice."""
    games = record(folder)
    of = prediction_training.views(games, split(games).train)
    places = np.linspace(0, len(of.rows) - 1, min(COUNTED, len(of.rows))).astype(int)
    read = prediction_training.batch(games, of, places[None])
    return read.vectors[0].numpy(), read.following[0].numpy()


@functools.lru_cache(maxsize=2)
def _tables(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    return count_tables(*map(torch.from_numpy, counted(folder)))


@functools.lru_cache(maxsize=4)
def clue_table(folder: Path, part: str) -> dict:
    """Return `hidden_numbers.by_game` of one part of the games."""
    games = record(folder)
    return hidden_numbers.by_game(games, getattr(split(games), part))


def test_views(games: Record, cap: int | None = None) -> Views:
    """Return the steps that all models are judged on; with `cap` only the first so many of each life."""
    of = prediction_training.views(games, split(games).test)
    kept = np.concatenate([life[:cap] for life in of.lives])
    return Views(*(part[kept] for part in of))


test_views.__test__ = False  # not a test, whatever pytest makes of its name


def size(net: Net) -> int:
    """Return how many numbers a net learns."""
    return sum(p.numel() for p in net.build(board_model.uniform_tables(), torch.Generator()).parameters())


def equal_hidden(net: Net) -> int:
    """Return the hidden size at which an LSTM net has the parameters of `net`, or nearest to it."""
    wanted = size(net)
    return min(range(1, 4 * net.hidden), key=lambda hidden: abs(size(replace(net, core="lstm", hidden=hidden)) - wanted))


def train(run: Run, folder: Path, nets: Sequence[Net], label: str = "models") -> list[Path]:
    """Train nets, as many at a time as there are cores; return their folders, for `load`.

    Args:
        folder: as `games` returned it.
    """
    step = functools.partial(_train_until, run.cache, run.seed, folder)
    return finish(step, nets, [net.updates for net in nets], 1000, label, 500)


def _train_until(cache: ArtifactCache, seed: int, folder: Path, net: Net, until: int) -> Path | None:
    settings = {"seed": seed, "games": folder.name, "decay": DECAY, "counted": COUNTED, **asdict(net)}

    def begin() -> Trainer:
        table = record(folder)
        generator = seeding.torch_generator(seed, "prediction", net.index)
        model = net.build(_tables(folder), generator)
        # all nets of one index see the same lives in the same order, from the same place on
        of = prediction_training.views(table, split(table).train, seeding.generator(seed, "lives", net.index))
        order = seeding.torch_generator(seed, "streams", net.index)
        return Trainer(model, of.resets, reader(folder, of, net, "train"), generator=order, batch=net.batch, length=net.length)

    def after(folder: Path, trainer: Trainer) -> None:
        if trainer.step == net.updates:
            checkpoint.save(folder / "model.safetensors", trainer.model.state_dict())

    return advance(cache, "prediction", settings, MODEL_CODE, until, net.updates, begin, after, net.rate_at)


def reader(folder: Path, of: Views, net: Net, part: str):
    """Return what makes a batch of places in a list of views of one part of the games, for nets of this family."""
    games = record(folder)
    if net.family == "tracker":
        return functools.partial(hidden_numbers.read, hidden_numbers.clues(games, of, clue_table(folder, part)))
    return functools.partial(prediction_training.batch, games, of, full=net.full)


def load(folder: Path, net: Net) -> nn.Module:
    """Return a trained model, on the CPU."""
    made = net.build(board_model.uniform_tables(), torch.Generator())
    made.load_state_dict(checkpoint.load(folder / "model.safetensors"))
    return made.eval()


def search(run: Run, folder: Path, nets: Mapping[str, Net], updates: int) -> dict[str, dict[float, float]]:
    """Try each net with each rate of its family, on random starts of the search's own; return losses on validation games.

    Args:
        folder: as `games` returned it.
        nets: what is searched for, by name.
        updates: of each trial; every net gets as many trials and updates.

    Returns:
        by name: rate -> mean loss.
    """
    few = 2 if updates < 10 else None  # a smoke test needs no third
    tries = {name: [replace(net, rate=rate, updates=updates, index=1000 + net.index) for rate in RATES[net.family][:few]]
             for name, net in nets.items()}  # fmt: skip
    flat = [net for some in tries.values() for net in some]
    folders = dict(zip(flat, train(run, folder, flat, "search"), strict=True))

    def make() -> list[float]:
        jobs = [delayed(_validate)(folder, folders[net], net) for net in flat]
        with quiet_workers():
            return list(Parallel(n_jobs=1 if updates < 100 else -1)(jobs))

    names = [folders[net].name for net in flat]
    losses = dict(zip(flat, run.cached("search", make, MODEL_CODE, nets=names), strict=True))
    return {name: {net.rate: losses[net] for net in some} for name, some in tries.items()}


def best(losses: Mapping[float, float]) -> float:
    """Return the rate with the lowest loss."""
    return min(losses, key=lambda rate: losses[rate])


@torch.no_grad()
def _validate(folder: Path, model: Path, net: Net, streams: int = 16, length: int = 25) -> float:
    torch.set_num_threads(1)
    table = record(folder)
    of = prediction_training.views(table, split(table).validation)
    read, made = reader(folder, of, net, "validation"), load(model, net)
    stream = len(of.rows) // streams
    state, losses = made.initial_state(streams), []
    for start in range(0, max(1, min(stream, 400, 2 * net.updates) - length + 1), length):
        places = (stream * np.arange(streams)[:, None] + start + np.arange(min(length, stream))) % len(of.rows)
        loss, state = made.loss(read(places), state)
        losses.append(float(loss))
    return float(np.mean(losses))
