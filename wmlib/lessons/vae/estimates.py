"""The numbers of notebook 04 that verdicts and figures use, made of tallies (see `measures.tally`), one a training seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from wmlib.experiment.statistics import Evidence

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


def median_seed(tallies: Tallies, size: int = SMALL) -> int:
    """Return the training seed with the median recall of one class (of an even number, the higher one in the middle).

    Args:
        tallies: one a training seed.
        size: number of the class, see `CLASSES`.
    """
    return int(np.argsort([tally["detected"][:, size].sum() for tally in tallies], kind="stable")[len(tallies) // 2])


def precision(tallies: Tallies, size: int = SMALL, least: int = 1) -> Evidence | None:
    """Return the proportion of the pictures' blobs of one class that are in the frames; arguments as for `recall`."""
    return _proportion(tallies, "matched", "drawn", size, least)


def precision_of_seeds(tallies: Tallies, size: int = SMALL) -> Evidence | None:
    """Return the evidence of the mean precision of training seeds, each with the same weight, however few blobs it draws.

    Args:
        tallies: as for `recall`; a training seed that draws no blob of the class has no precision, and is left out of n.
        size: number of the class, see `CLASSES`.
    """
    drawing = [tally for tally in tallies if tally["drawn"][:, size].any()]
    if not drawing:
        return None
    hits, counts = (np.stack([t[key][:, size] / t["drawn"][:, size].sum() for t in drawing]) for key in ("matched", "drawn"))
    return Evidence("ratio_of_sums", {"hits": hits, "counts": counts})


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
            name: [_cut(measure(tallies, size, LEAST)) for size in range(len(CLASSES))] for name, tallies in models.items()
        }
    return data


def _cut(evidence: Evidence | None) -> tuple[float, float, float] | None:
    """Return a proportion and the ends of its interval, which is cut at 0 and 1."""
    if evidence is None:
        return None
    value, low, high, _ = evidence.estimate()
    return value, max(low, 0.0), min(high, 1.0)


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


def two_by_two(models: Mapping[str, Tallies], baselines: Mapping[str, Tally]) -> dict:
    """Return what `figures.draw_two_by_two` needs: recall of small blobs and squared error a frame, of each loss and baseline.

    Args:
        models: by name of the loss, one tally a training seed.
        baselines: by name.
    """
    rows = {
        name: {
            "recall": _cut(recall(tallies)),
            "squared_error": squared_error(tallies).estimate()[:3],
            "recalls": [recall_of_one(tally) for tally in tallies],
            "squared_errors": [squared_error_of_one(tally) for tally in tallies],
        }
        for name, tallies in models.items()
    }
    levels = {
        name: {"recall": recall_of_one(tally), "squared_error": squared_error_of_one(tally)}
        for name, tally in baselines.items()
    }
    return {"losses": rows, "baselines": levels}


def recall_difference(models: Tallies, others: Tallies) -> Evidence | None:
    """Return the evidence of the recall of small blobs minus that of others, on the same episodes.

    Args:
        models: one tally a training seed. None is returned where there is no small blob.
        others: as many, of the same training seeds in the same order; or that of a baseline.
    """
    hits, hits_of_others = (np.stack([tally["detected"][:, SMALL] for tally in each]) for each in (models, others))
    counts = models[0]["blobs"][:, SMALL]
    return Evidence("ratio_of_sums", {"hits": hits - hits_of_others, "counts": counts}) if counts.sum() else None


def score_rows(models: Mapping[str, Tallies]) -> dict[str, dict]:
    """Return by name recall and precision of small blobs, (value, low, high) or None, and squared_error a frame."""
    return {
        name: {
            "recall": _cut(recall(tallies)),
            "precision": _cut(precision(tallies)),
            "squared_error": squared_error(tallies).estimate().value,
        }
        for name, tallies in models.items()
    }


def score_table_in_words(rows: Mapping[str, Mapping]) -> str:
    """Return the rows of `score_rows` as a table in Markdown.

    Example:
        >>> row = {"recall": (0.8, 0.7, 0.9), "precision": None, "squared_error": 8.05}
        >>> print(score_table_in_words({"PCA": row}).splitlines()[-1])
        | PCA | 80.0% [70.0%, 90.0%] | – | 8.1 |
    """
    lines = ["| code | recall, 6-20 pixels | precision | squared error a frame |", "|---|---|---|---|"]
    for name, row in rows.items():
        proportions = [
            "–" if ends is None else "{:.1%} [{:.1%}, {:.1%}]".format(*ends) for ends in (row["recall"], row["precision"])
        ]
        lines.append(f"| {name} | {' | '.join(proportions)} | {row['squared_error']:.1f} |")
    return "\n".join(lines)


def difference_in_words(rows: Mapping[str, Mapping], name: str, other: str) -> str:
    """Return by how much one of the rows of `score_rows` differs from another, as a sentence.

    Example:
        >>> one = {"recall": (0.8, 0.7, 0.9), "precision": None, "squared_error": 8.05}
        >>> two = {"recall": (0.85, 0.8, 0.9), "precision": None, "squared_error": 45.0}
        >>> difference_in_words({"PCA": one, "VAE": two}, "PCA", "VAE")
        'PCA minus VAE: recall -5.0 percentage points, squared error -37.0 a frame.'
    """
    parts = []
    for measure in ("recall", "precision"):
        ours, theirs = rows[name][measure], rows[other][measure]
        if ours is not None and theirs is not None:
            parts.append(f"{measure} {100 * (ours[0] - theirs[0]):+.1f} percentage points")
    parts.append(f"squared error {rows[name]['squared_error'] - rows[other]['squared_error']:+.1f} a frame")
    return f"{name} minus {other}: {', '.join(parts)}."


def stage_table(frames: Sequence[float], seeds: Sequence[Tallies]) -> list[dict]:
    """Return recall of small blobs and squared error a frame after each stage of a training, means of its training seeds.

    Args:
        frames: trained on, by stage.
        seeds: by training seed the tallies by stage.
    """
    return [
        {
            "frames": count,
            "recall": float(np.mean([recall_of_one(stages[i]) for stages in seeds])),
            "squared_error": float(np.mean([squared_error_of_one(stages[i]) for stages in seeds])),
            "seeds": len(seeds),
        }
        for i, count in enumerate(frames)
    ]


def stage_table_in_words(rows: Sequence[Mapping]) -> str:
    """Return the rows of `stage_table` as a table in Markdown.

    Example:
        >>> print(stage_table_in_words([{"frames": 3e6, "recall": 0.5, "squared_error": 4.0, "seeds": 1}]).splitlines()[-1])
        | 3,000,000 | 50.0 % | 4.0 | 1 |
    """
    lines = ["| training frames | recall of small fireballs | squared error a frame | training seeds |", "|---|---|---|---|"]
    for row in rows:
        cells = (f"{row['frames']:,.0f}", f"{100 * row['recall']:.1f} %", f"{row['squared_error']:.1f}", str(row["seeds"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


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
