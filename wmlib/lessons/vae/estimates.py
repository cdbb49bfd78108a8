"""The numbers of notebook 04 that verdicts and figures use, made of tallies (see `measures.tally`), one a training seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wmlib.experiment.statistics import Evidence
from wmlib.training.vae import Objective

CLASSES = ("1–5", "6–20", "21–60", "over 60")  # pixels; the names of `measures.SIZES`
SMALL = 1  # the class that the claims are about
LEAST = 20  # blobs of a class, below which a figure leaves it out
IN_USE = 0.05  # nats, from which a dimension counts as in use

Tally = Mapping[str, np.ndarray]
Tallies = Sequence[Tally]


def recall(tallies: Tallies, size: int = SMALL, least: int = 1) -> Evidence | None:
    """Return the evidence of the proportion of the frames' blobs of one class that the pictures detect.

    Args:
        tallies: one a training seed.
        size: number of the class, see `CLASSES`.
        least: None is returned where there are fewer blobs than this.
    """
    return _proportion(tallies, "detected", "blobs", size, least)


def precision(tallies: Tallies, size: int = SMALL, least: int = 1) -> Evidence | None:
    """Return the proportion of the pictures' blobs of one class that are in the frames; arguments as for `recall`."""
    return _proportion(tallies, "matched", "drawn", size, least)


def _proportion(tallies: Tallies, hit: str, counted: str, size: int, least: int) -> Evidence | None:
    hits = np.stack([tally[hit][:, size] for tally in tallies])
    counts = np.stack([tally[counted][:, size] for tally in tallies])
    return Evidence("ratio_of_sums", {"hits": hits, "counts": counts}) if counts.sum() >= least else None


def squared_error(tallies: Tallies) -> Evidence:
    """Return the evidence of the squared error a frame."""
    errors = np.stack([tally["squared_error"] for tally in tallies])
    return Evidence("ratio_of_sums", {"hits": errors, "counts": tallies[0]["frames"]})


def by_size(models: Mapping[str, Tallies]) -> dict:
    """Return what `figures.draw_hits` needs: recall and precision by class; classes with fewer than `LEAST` blobs are None."""
    data: dict = {"classes": CLASSES}
    for measure in (recall, precision):
        data[measure.__name__] = {
            name: [_ends(measure(tallies, size, LEAST)) for size in range(len(CLASSES))] for name, tallies in models.items()
        }
    return data


def _ends(evidence: Evidence | None) -> tuple[float, float, float] | None:
    return None if evidence is None else evidence.estimate()[:3]


def learning_curves(frames: Sequence[float], models: Mapping[str, Sequence[Tallies]], baselines: Mapping[str, float]) -> dict:
    """Return what `figures.draw_training` needs.

    Args:
        frames: trained on, by stage.
        models: by name and training seed the tallies by stage.
        baselines: squared errors a frame, by name.
    """

    def by_stage(seeds: Sequence[Tallies], number: Callable[[Tally], float]) -> np.ndarray:
        return np.array([[number(tally) for tally in stages] for stages in seeds]).T  # (stages, seeds)

    curves = {
        name: {"recall": by_stage(seeds, recall_of_one), "squared_error": by_stage(seeds, squared_error_of_one)}
        for name, seeds in models.items()
    }
    return {"frames": list(frames), "models": curves, "baselines": dict(baselines)}


def sweep(objectives: Sequence[Objective], tallies: Sequence[Tallies]) -> dict[str, dict]:
    """Return the lines of `figures.draw_sweep`, one for each KL tolerance, by the weight β of the KL.

    Args:
        objectives: without weights; those with the same tolerance make a line, in the order given.
        tallies: of each, by stage; the last one counts.
    """
    lines: dict[str, dict] = {}
    for objective, stages in zip(objectives, tallies, strict=True):
        free = objective.kl_tolerance
        name = f"{free:g} nats a dimension free" if free else "nothing free"
        line = lines.setdefault(name, {"beta": [], "kl": [], "active": [], "squared_error": [], "recall": []})
        line["beta"].append(objective.beta)
        line["kl"].append(stages[-1]["kl"].sum())
        line["active"].append(num_active(stages[-1]))
        line["squared_error"].append(squared_error_of_one(stages[-1]))
        line["recall"].append(recall_of_one(stages[-1]))
    return lines


def sorted_kl(tallies: Tallies) -> list[np.ndarray]:
    """Return the KL of each dimension in falling order, nats (Z,), for each training seed."""
    return [-np.sort(-tally["kl"]) for tally in tallies]


def num_active(tally: Tally) -> int:
    """Count the dimensions that are in use."""
    return int((tally["kl"] > IN_USE).sum())


def recall_of_one(tally: Tally) -> float:
    """Return the recall of small blobs of one tally; 0 where there are none."""
    return tally["detected"][:, SMALL].sum() / max(tally["blobs"][:, SMALL].sum(), 1)


def squared_error_of_one(tally: Tally) -> float:
    """Return the squared error a frame of one tally."""
    return tally["squared_error"].sum() / tally["frames"].sum()


def bright_pixels(tallies: Tallies) -> tuple[float, float]:
    """Return the number of bright pixels drawn for each one in the frames, and the proportion of them that is bright there."""
    bright, drawn, both = sum(tally["bright"].sum(0) for tally in tallies)
    return drawn / max(bright, 1), both / max(drawn, 1)
