"""Put the two small dreams of notebook 07 into one HTML file that opens from the disk: a corridor of cues, and a grid.

Reading guide. `build_small_page` fills `small.html`. `frame_model_record` and `policy_record` turn a model and a policy into
JSON for `frame_model.js`; the core is packed as in `build.py`. `small_worlds.js` has the rules of the worlds, `small.js` the page.
"""

from __future__ import annotations

import html
import json
from typing import Any

from torch import nn

from wmlib.agents.policies import ActorCritic
from wmlib.envs.grid.levels import LEVELS, as_text
from wmlib.models.frame_model import FrameModel
from wmlib.viz.web.build import FOLDER, core_record, kernels, pack_layer, script

SMALL_LIBRARY = ("numbers.js", "kernels.js", "cores.js", "frame_model.js", "small_worlds.js")
LAYERS = ("encoder", "vector", "norm", "context", "first", "second", "last", "look", "outcomes")
SIZE = 6  # of the grid


def frame_model_record(model: FrameModel) -> dict[str, Any]:
    """Return a model of frames as JSON for `FrameModel` in frame_model.js.

    Raises:
        ValueError: a core that the page cannot run, see `core_record`.
    """
    layers = {name: pack_layer(getattr(model, name).weight, getattr(model, name).bias) for name in LAYERS}
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
    return {"layers": [pack_layer(layer.weight, layer.bias) for layer in layers]}


def build_small_page(corridor: FrameModel, grid: FrameModel, policy: ActorCritic, made: str = "", notebook: str = "") -> str:
    """Return the page as one HTML file.

    Args:
        corridor: a model of the cue corridor with 8 cues, its core a DNC.
        grid, policy: of the levels `LEVELS[6]`.
        made: how the models were made, in words.
        notebook: address of notebook 07 from where the page lies; "": it is not linked.
    """
    data = {
        "kernels": kernels(),
        "corridor": frame_model_record(corridor),
        "grid": frame_model_record(grid),
        "policy": policy_record(policy),
        "levels": [as_text(level).split() for level in LEVELS[SIZE]],
    }
    parts = {
        "/*{{ styles }}*/": (FOLDER / "small.css").read_text(encoding="utf-8"),
        "{{ made }}": html.escape(made),
        "{{ notebook }}": f'<a href="{html.escape(notebook)}">notebook 07</a>' if notebook else "notebook 07",
        "{{ data }}": json.dumps(data),
        "/*{{ script }}*/": script(*SMALL_LIBRARY, "small.js"),
    }
    page = (FOLDER / "small.html").read_text(encoding="utf-8")
    for place, text in parts.items():
        page = page.replace(place, text)
    return page
