"""Grids of pictures for the figures of notebook 04: reconstructions, trainings stage by stage, and what the latents mean.

Each function returns png, the grid packed as text (see `figures.pack`), and the names of its rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wmlib.lessons.vae import latent_space, measures, probe
from wmlib.lessons.vae.figures import pack
from wmlib.lessons.vae.pca import PCA, flat
from wmlib.models.vae import VAE


def single_row(frames: np.ndarray, row: str, columns: Sequence[str] | None = None) -> dict:
    """Return frames (C, 64, 64, 3) side by side; without names the columns have none."""
    return {"png": pack(frames[None]), "rows": [row], "columns": list(columns) if columns else [""] * len(frames)}


def reconstructions(frames: np.ndarray, columns: Sequence[str], linear: PCA, vaes: Mapping[str, VAE]) -> dict:
    """Return frames, and below them what is left in the mean picture, in PCA and in each VAE.

    Args:
        frames: uint8 (C, 64, 64, 3).
        columns: their names.
        linear: fitted to training frames.
        vaes: by name of the row.
    """
    rows = {
        "frame": frames / np.float32(255),
        "mean picture": linear.truncated(0)(frames),
        f"PCA, {len(linear.components)}": linear(frames),
        **{name: measures.reconstruct(vae, frames) for name, vae in vaes.items()},
    }
    return {"png": pack(np.stack(list(rows.values()))), "rows": list(rows), "columns": list(columns)}


def training_stages(frames: np.ndarray, vaes: Mapping[str, Sequence[VAE]], trained_on: Sequence[float]) -> dict:
    """Return reconstructions after each stage of a training, a row for each frame and loss, and the frame at its end.

    Args:
        frames: uint8 (F, 64, 64, 3).
        vaes: by name of the loss, the VAE after each stage.
        trained_on: frames, by stage.
    """
    by_loss = {name: [measures.reconstruct(vae, frames) for vae in stages] for name, stages in vaes.items()}
    grid = [
        [*(pictures[i] for pictures in stages), frame / np.float32(255)]
        for i, frame in enumerate(frames)
        for stages in by_loss.values()
    ]
    columns = [*(f"{count / 1000:.3g}k frames" for count in trained_on), "the frame"]
    return {"png": pack(np.array(grid)), "rows": list(vaes) * len(frames), "columns": columns}


def traversal(vae: VAE, latent: np.ndarray, dimensions: Sequence[int], values: Sequence[float]) -> dict:
    """Return pictures of a latent (Z,) in which one number at a time, a row each, takes each of the values."""
    grid = [measures.decode(vae, latent_space.traverse(latent, dimension, values)) for dimension in dimensions]
    return {
        "png": pack(np.stack(grid)),
        "rows": [f"number {d}" for d in dimensions],
        "columns": [str(value) for value in values],
    }


def interpolation(vae: VAE, latents: np.ndarray, frames: np.ndarray, proportions: Sequence[float]) -> dict:
    """Return the straight line between two frames, in the latent space above and in the pixels below.

    Args:
        vae: decodes.
        latents: float (2, Z), of the frames.
        frames: uint8 (2, 64, 64, 3), the first and the last.
        proportions: of the way, in [0, 1].
    """
    decoded = measures.decode(vae, latent_space.interpolate(latents[0], latents[1], proportions))
    pixels = flat(frames)
    mixed = latent_space.interpolate(pixels[0], pixels[1], proportions).reshape(decoded.shape)
    rows = [f"{vae.latent_size} numbers", "pixels"]
    return {"png": pack(np.stack([decoded, mixed])), "rows": rows, "columns": [f"{p:.2f}" for p in proportions]}


def fireball_moves(
    vae: VAE, latent: np.ndarray, column: float, columns: Sequence[float], ways: Mapping[str, np.ndarray]
) -> dict:
    """Return pictures of a frame's latent (Z,) whose fireball is sent to each of the columns, a row for each way.

    The entry `reached` has a row for each way too, see `columns_reached`.

    Args:
        vae: decodes.
        latent: of the frame.
        column: where its fireball is, pixels from the left.
        columns: where it should be.
        ways: by name of the row, see `probe.ways`.
    """
    grid = [measures.decode(vae, probe.moved(latent, column, columns, way)) for way in ways.values()]
    return {
        "png": pack(np.stack(grid)),
        "rows": list(ways),
        "columns": [f"to pixel {c:g}" for c in columns],
        "reached": [columns_reached(pictures) for pictures in grid],
    }


def columns_reached(pictures: np.ndarray) -> list[float | None]:
    """Return the column, in pixels from the left, of the largest bright blob of each picture; None where there is none."""
    labels, sizes = measures.blobs(pictures)
    sizes = np.append(0, sizes)
    columns: list[float | None] = []
    for picture in labels:
        largest = picture.flat[sizes[picture].argmax()]
        columns.append(float(np.nonzero(picture == largest)[1].mean()) if largest else None)
    return columns


def moves_in_words(data: Mapping) -> str:
    """Return the columns reached as a table in Markdown.

    Args:
        data: as from `fireball_moves`.

    Example:
        >>> data = {"rows": ["slope"], "columns": ["to pixel 8", "to pixel 16"], "reached": [[None, 15.5]]}
        >>> print(moves_in_words(data))
        | way | to pixel 8 | to pixel 16 |
        |---|---|---|
        | slope | no blob | 15.5 |
    """
    lines = [f"| way | {' | '.join(data['columns'])} |", f"|---{'|---' * len(data['columns'])}|"]
    for way, reached in zip(data["rows"], data["reached"], strict=True):
        cells = ["no blob" if column is None else f"{column:.1f}" for column in reached]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def moved_fireball(
    vae: VAE, frame: np.ndarray, latent: np.ndarray, column: float, target: float, way: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """Return a frame (64, 64, 3), its latent (Z,) decoded, the same with its fireball sent to a column; and their titles."""
    latents = np.concatenate([latent[None], probe.moved(latent, column, [target], way)])
    titles = ["the frame", "decoded", f"pixel {column:.0f} → {target:g}"]
    return [frame, *measures.decode(vae, latents)], titles


def between(vae: VAE, latents: np.ndarray, frames: np.ndarray, proportion: float) -> tuple[list[np.ndarray], list[str]]:
    """Return two pictures on the way between two frames, and their titles; arguments as for `interpolation`."""
    decoded = measures.decode(vae, latent_space.interpolate(latents[0], latents[1], [proportion]))[0]
    pixels = flat(frames)
    mixed = latent_space.interpolate(pixels[0], pixels[1], [proportion]).reshape(decoded.shape)
    return [decoded, mixed], ["in the numbers", "in the pixels"]
