"""What the models of notebook 06 are worth on test games: next states, dreams, the opponents' hidden numbers, and a film.

Reading guide. `measure` judges nets, `measure_rules` what needs no network, by `wmlib.lessons.pommerman.measures`; `hidden` judges
trackers; `film` keeps boards of one life, for pictures. All answers come from the cache if the same was asked before.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from wmlib.envs.pommerman.views import BOARD
from wmlib.experiment.progress import progress
from wmlib.experiment.run import Run
from wmlib.lessons.pommerman import hidden_numbers
from wmlib.lessons.pommerman import measures as prediction_study
from wmlib.lessons.pommerman import data as prediction_training
from wmlib.lessons.pommerman.measures import Rule
from wmlib.lessons.pommerman.data import Record, Views
from wmlib.training.jobs import quiet_workers
from wmlib.lessons.pommerman.pipeline import COUNTED, MODEL_CODE, Net, clue_table, counted, load, record, test_views

HORIZONS = (1, 2, 5, 10, 20)  # steps without correction


def rules_of_counting(folder: Path) -> dict[str, Rule]:
    """Return the predictors that need no network, by name."""
    now, after = counted(folder)
    study = prediction_study
    return {"copying": study.copying(), "average board": study.commonest(after),
            "table of values": study.count_values(now, after), "table of cells": study.count_cells(now, after)}  # fmt: skip


def measure(
    run: Run, folder: Path, nets: Sequence[Net], folders: Sequence[Path], cap: int | None = None
) -> list[dict[str, Any]]:
    """Judge board and vector nets on the test games.

    Args:
        folder: as `games` returned it.
        nets, folders: as given to and returned by `train`.
        cap: only the first so many steps of each life.

    Returns:
        of each net: one, `prediction_study.tally` of the next state; ahead, the same for each of `HORIZONS` (not with view B).
    """
    return _judged(run, folder, list(zip(nets, folders, strict=True)), cap)


def measure_rules(run: Run, folder: Path, cap: int | None = None) -> dict[str, dict[str, Any]]:
    """Judge what needs no network, as `measure` does."""
    names = list(rules_of_counting(folder))
    return dict(zip(names, _judged(run, folder, names, cap), strict=True))


def _judged(run: Run, folder: Path, what: Sequence, cap: int | None) -> list[dict[str, Any]]:
    def make() -> list[dict]:
        few = len(test_views(record(folder), cap).rows) < 3000
        jobs = [delayed(_judge)(folder, thing, cap) for thing in what]
        with quiet_workers():
            return list(progress(Parallel(n_jobs=1 if few else -1, return_as="generator")(jobs), "judging", len(jobs)))

    names = [thing if isinstance(thing, str) else thing[1].name for thing in what]
    settings = {"games": folder.name, "what": names, "horizons": HORIZONS, "counted": COUNTED, "cap": cap}
    return run.cached("prediction-measures", make, [*MODEL_CODE, prediction_study], **settings)


def _judge(folder: Path, thing: str | tuple[Net, Path], cap: int | None) -> dict[str, Any]:
    torch.set_num_threads(1)
    table = record(folder)
    model = rules_of_counting(folder)[thing] if isinstance(thing, str) else load(thing[1], thing[0])
    of = test_views(table, cap)
    parts = [prediction_training.batch(table, of, p[None]) for p in np.array_split(np.arange(len(of.rows)), len(of.lives))]
    now, after = (torch.cat([getattr(part, name)[0] for part in parts]).numpy() for name in ("vectors", "following"))
    found = {"one": prediction_study.tally(now, after, prediction_study.foretell(model, table, of), of.games), "ahead": []}
    if not getattr(model, "full", False):
        dreams = prediction_study.dream(model, table, of, HORIZONS)
        for h in range(len(HORIZONS)):
            parts = dreams["after"][:, h], dreams["said"][:, h]
            found["ahead"].append(prediction_study.tally(dreams["start"], *parts, dreams["games"]))
    return found


def hidden(
    run: Run, folder: Path, nets: Sequence[Net], folders: Sequence[Path], cap: int | None = None
) -> dict[str, list[dict]]:
    """Judge trackers on the test games; return `hidden_numbers.tally` of each net under "nets", and of rules under "rules":
    what everybody starts with, and counting by hand."""

    def make() -> dict:
        games = record(folder)
        of = test_views(games, cap)
        true = hidden_numbers.clues(games, of, clue_table(folder, "test"))
        start = np.broadcast_to(hidden_numbers.START, true.truth.shape)
        found = [hidden_numbers.answers(load(path, net), true) for net, path in zip(nets, folders, strict=True)]
        return {"nets": [hidden_numbers.tally(true, said, of.games) for said in found],
                "rules": [hidden_numbers.tally(true, said, of.games) for said in (start, true.tracked)]}  # fmt: skip

    names = [path.name for path in folders]
    return run.cached("hidden-measures", make, MODEL_CODE, games=folder.name, nets=names, cap=cap)


def film(
    run: Run,
    folder: Path,
    nets: Mapping[str, Net],
    folders: Mapping[str, Path],
    first: int,
    steps: int,
    apart: int,
    cap: int | None = None,
) -> dict[str, Any]:
    """Return what models foretell of one life of the test games, the one in which most changes in the steps that are shown.

    Args:
        nets, folders: by name.
        first, steps: what is shown of the life; from every `apart`-th of these steps dreams of `HORIZONS[-1]` steps begin.
        cap: only the first so many steps of each life.

    Returns:
        boards uint8: truth (steps, 121) and said, by name, of the states after each step; dream_truth (D, H, 121) and dreamt,
        by name; starts: the steps at which the dreams begin.

    Raises:
        ValueError: no life is long enough.
    """

    def make() -> dict:
        table = record(folder)
        life = _liveliest(table, first, steps, cap)
        every = np.arange(len(life.rows))[None]
        truth = prediction_training.batch(table, life, every).following[0].numpy()
        models = {name: load(folders[name], net) for name, net in nets.items()}
        horizons, begin = range(1, HORIZONS[-1] + 1), -(-first // apart)
        said = {name: prediction_study.foretell(m, table, life)[first : first + steps, :BOARD] for name, m in models.items()}
        dreams = {name: prediction_study.dream(m, table, life, horizons, apart) for name, m in models.items()}
        true = next(iter(dreams.values()))["after"][begin:, :, :BOARD]
        dreamt = {name: d["said"][begin:, :, :BOARD] for name, d in dreams.items()}
        starts = apart * np.arange(begin, begin + len(true))
        shown = {"truth": truth[first : first + steps, :BOARD], "said": said}
        return {**shown, "dream_truth": true, "dreamt": dreamt, "starts": starts}

    names = {name: folders[name].name for name in nets}
    code = [*MODEL_CODE, prediction_study]
    return run.cached("film", make, code, games=folder.name, nets=names, first=first, steps=steps, apart=apart, cap=cap)


def _liveliest(table: Record, first: int, steps: int, cap: int | None) -> Views:
    """Return the beginning of that life in the test games in which most changes in the steps shown, long enough to dream."""
    of, best = test_views(table, cap), (-1.0, None)
    length = first + steps + HORIZONS[-1]
    for life in of.lives:
        if len(life) >= length:
            boards = table.states[of.rows[life[first : first + steps + 1]]][:, :BOARD]
            changes = float(np.count_nonzero(boards[1:] != boards[:-1]))
            best = max(best, (changes, life[:length]), key=lambda pair: pair[0])
    if best[1] is None:
        raise ValueError(f"first, steps: got {first}, {steps}; no life in the test games has {length} steps")
    return Views(*(part[best[1]] for part in of))
