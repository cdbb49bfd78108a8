"""Put the two small dreams of notebook 07 into one HTML file that opens from the disk: a corridor of cues, and a grid.

Reading guide. `build_small_page` fills `small.html`, `published_small_page` does so with what `wmlib.weights` has.
`frame_model_record` and `policy_record` turn a model and a policy into JSON for `frame_model.js`; the core is packed as in
`build.py`. `small_worlds.js` has the rules of the worlds, and `small.js` is the page.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from wmlib.agents.policies import ActorCritic
from wmlib.envs.grid.levels import LEVELS, as_text
from wmlib.experiment.atomic import write_atomically
from wmlib.models.dnc import DNC
from wmlib.models.frame_model import FrameModel
from wmlib.viz.web.build import FOLDER, as_json, core_record, fill, kernels, pack_layer, script
from wmlib.viz.web.published import shown

SMALL_LIBRARY = ("numbers.js", "kernels.js", "cores.js", "frame_model.js", "small_worlds.js")
LAYERS = ("encoder", "vector", "norm", "context", "first", "second", "last", "look", "outcomes")
SIZE = 6  # of the grid
ABOUT = (
    "Nothing is fetched, all of it is computed here. The corridor's model: {}. The grid's: {}. Each has a DNC of 16 slots of "
    "16 numbers. Weights are stored in half precision; the page computes in single precision, as PyTorch does."
)


def frame_model_record(model: FrameModel) -> dict[str, Any]:
    """Return a model of frames as JSON for `FrameModel` in frame_model.js.

    Raises:
        ValueError: a core that the page cannot run, see `core_record`.
    """
    layers = {name: pack_layer(*model.get_submodule(name).parameters()) for name in LAYERS}
    sizes = {"shape": list(model.shape), "num_actions": model.num_actions, "keep": float(model.keep.detach())}
    return {**sizes, "layers": layers, "core": core_record(model.core)}


def policy_record(policy: ActorCritic) -> dict[str, Any]:
    """Return the actor of a policy as JSON for `Policy` in frame_model.js.

    Raises:
        ValueError: a policy of pictures, with a core, or with another activation than tanh.
    """
    linears = [layer for layer in policy.encoder.layers if isinstance(layer, nn.Linear)]
    others = {type(layer).__name__ for layer in policy.encoder.layers} - {"Linear", "Tanh"}
    if others or policy.core is not None:
        what = ", ".join(sorted(others)) or "a core"
        raise ValueError(f"policy has {what}; the page runs linear layers with tanh alone: train one with PolicyConfig()")
    layers = [*linears, policy.policy_head]
    return {"layers": [pack_layer(*layer.parameters()) for layer in layers]}


def build_small_page(corridor: FrameModel, grid: FrameModel, policy: ActorCritic, about: str = "", notebook: str = "") -> str:
    """Return the page as one HTML file.

    Args:
        corridor: a model of the cue corridor with 8 cues, its core a DNC.
        grid, policy: of the levels `LEVELS[6]`.
        about: what the foot of the page says.
        notebook: address of notebook 07 from where the page lies; "": it is not linked.

    Raises:
        ValueError: a core or a policy that the page cannot run.
    """
    if not isinstance(corridor.core, DNC):
        raise ValueError(f"corridor has the core {type(corridor.core).__name__}; the page swaps slots, which only a DNC has")
    data = {
        "kernels": kernels(),
        "corridor": frame_model_record(corridor),
        "grid": frame_model_record(grid),
        "policy": policy_record(policy),
        "levels": [as_text(level).split() for level in LEVELS[SIZE]],
    }
    parts = {
        "style": (FOLDER / "small.css").read_text(encoding="utf-8"),
        "notebook": f'<a href="{html.escape(notebook)}">notebook 07</a>' if notebook else "notebook 07",
        "about": html.escape(about),
        "data": as_json(data),
        "script": script(*SMALL_LIBRARY, "small.js"),
    }
    return fill(parts, "small.html")


def published_small_page(load: Callable[[str], tuple[Any, dict]], notebook: str = "") -> str:
    """Return the page of the published models as HTML.

    Args:
        load: returns a model and its entry in the manifest by its name: `wmlib.weights.load`.
        notebook: as for `build_small_page`.
    """
    corridor, of_corridor = load("corridor_model")
    grid, of_grid = load("grid_model")
    policy, _ = load("grid_policy")
    return build_small_page(corridor, grid, policy, ABOUT.format(of_corridor["made"], of_grid["made"]), notebook)


def write_small_page(file: Path, load: Callable[[str], tuple[Any, dict]]) -> Path:
    """Write the page of the published models into a file, and return it; arguments as for `published_small_page`."""
    page = published_small_page(load)
    write_atomically(file, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return file


def show_small_page(file: Path, load: Callable[[str], tuple[Any, dict]], root: Path) -> Any:
    """Write the page, and return a widget that links to it and shows it; arguments as for `published.show_page`, and `load`."""
    return shown(write_small_page(file, load), root, "Swap two memories", "Two small dreams, with a memory to reach into")
