"""Put a dream into one HTML file that opens from the disk: page, style, code, agents and a recorded game, nothing to fetch.

Reading guide. `build_page` fills `page.html`. `agent_record` turns an agent into JSON: sizes, and tensors in base64 (`pack`),
in half precision where that loses nothing, which is so for all of `wmlib.weights`. `core_record` is the part of it that is a
recurrent core, and `script` the JavaScript in the order in which it is loaded: both serve other pages and the tests as well.
"""

from __future__ import annotations

import base64
import json
import re
import textwrap
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.recurrent import RecurrentCore
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel

FOLDER = Path(__file__).parent
LIBRARY = ("numbers.js", "kernels.js", "cores.js", "dream.js")  # in the order in which they are loaded; page.js comes last
FIRST_SIZE = 5  # pixels across of the decoder's first picture


def script(*names: str) -> str:
    """Return JavaScript files of this folder as one program; none: the library, all but the page itself."""
    files = [_read(name) for name in names or LIBRARY]
    return '"use strict";\n' + "\n".join(files)


def kernels() -> str:
    """Return the compiled `kernels.wat` in base64, as it is committed."""
    lines = _read("kernels.wasm.txt").splitlines()
    return "".join(line for line in lines if not line.startswith("#"))


def compiled_kernels() -> str:
    """Compile `kernels.wat`, and return the text of `kernels.wasm.txt`; needs wasmtime (pip install -e ".[dev]")."""
    import wasmtime

    code = base64.b64encode(wasmtime.wat2wasm(_read("kernels.wat"))).decode()
    head = f"# kernels.wat in base64, compiled by wasmtime {version('wasmtime')} (PyPI): build.compiled_kernels"
    return "\n".join([head, *textwrap.wrap(code, 120)]) + "\n"


def pack(values: Tensor) -> dict[str, Any]:
    """Return a tensor as JSON for `floatsOf` in numbers.js, in half precision if all numbers survive that, else in single."""
    values = values.detach().float().cpu().contiguous()
    half = values.half()
    exact = torch.equal(half.float(), values)
    data = (half if exact else values).numpy().tobytes()
    return {"shape": list(values.shape), "type": "half" if exact else "float", "data": base64.b64encode(data).decode()}


def pack_layer(weight: Tensor, bias: Tensor | None) -> dict[str, Any]:
    """Return a linear layer as JSON for `Kernels.layer` in kernels.js: weight (outputs, inputs), bias (outputs,)."""
    return {"weight": pack(weight), "bias": None if bias is None else pack(bias)}


def core_record(core: RecurrentCore) -> dict[str, Any]:
    """Return a recurrent core as JSON for `makeCore` in cores.js.

    Args:
        core: an LSTM, or a DNC with a full link or none.

    Raises:
        ValueError: another core, or another link.
    """
    record: dict[str, Any] = {"input_size": core.input_size, "output_size": core.output_size}
    output = getattr(core, "output", None)
    record["output"] = pack_layer(output.weight, output.bias) if isinstance(output, nn.Linear) else None
    if isinstance(core, LSTM):
        weights: list[Tensor] = [core.lstm.get_parameter(name) for name in ("weight_ih_l0", "weight_hh_l0")]
        bias = core.lstm.get_parameter("bias_ih_l0") + core.lstm.get_parameter("bias_hh_l0")
        cells = pack_layer(torch.cat(weights, 1), bias)
        return {**record, "kind": "lstm", "hidden_size": core.hidden_size, "cells": cells}
    if not isinstance(core, DNC):
        raise ValueError(f"core is a {type(core).__name__}; the page runs an LSTM or a DNC")
    if core.link == "sparse":
        raise ValueError("core has link 'sparse'; the page runs 'full' and 'none': train a DNC with one of them")
    sizes = {name: getattr(core, name) for name in ("hidden_size", "num_slots", "word_size", "num_heads", "link")}
    cells = pack_layer(core.controller.weight, core.controller.bias)
    interface = pack_layer(core.interface.weight, core.interface.bias)
    return {**record, **sizes, "kind": "dnc", "cells": cells, "interface": interface}


def world_model_record(model: WorldModel) -> dict[str, Any]:
    """Return a world model as JSON for `Agent` in dream.js."""
    normalize = model.normalize
    parameters = (
        {"weight": pack(normalize.weight), "bias": pack(normalize.bias)} if isinstance(normalize, nn.LayerNorm) else None
    )
    return {
        "latent_size": model.latent_size,
        "num_components": model.mixture.num_components,
        "min_log_std": model.mixture.min_log_std,
        "normalize": parameters,
        "core": core_record(model.core),
        "mixture": pack_layer(model.mixture.linear.weight, model.mixture.linear.bias),
        "done": pack_layer(model.done.weight, model.done.bias),
    }


def decoder_record(vae: VAE) -> dict[str, Any]:
    """Return a VAE's decoder as JSON for `Decoder` in dream.js.

    Its first two layers have no nonlinearity between them, so they are one matrix here: Z -> 5 x 5 pixels. A transposed
    convolution is one too, from the channels of a pixel to the patch that it adds to, and channels are last everywhere.
    """
    first, *others = (layer for layer in vae.deconvolutions if isinstance(layer, nn.ConvTranspose2d))
    product = torch.einsum("fz,fdyx->yxdz", vae.features.weight.double(), first.weight.double())
    bias = torch.einsum("f,fdyx->yxd", vae.features.bias.double(), first.weight.double()) + first.get_parameter("bias").double()
    stages = []
    for layer in others:
        patch = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (k, k, D, C): rows of a patch one after another
        sizes = {"channels": layer.out_channels, "size": layer.kernel_size[0], "stride": layer.stride[0]}
        stages.append({**pack_layer(patch, None), "channel_bias": pack(layer.get_parameter("bias")), **sizes})
    return {"first": pack_layer(product.flatten(0, 2), bias.flatten()), "first_size": FIRST_SIZE, "stages": stages}


def agent_record(agent: WorldModelsAgent) -> dict[str, Any]:
    """Return an agent without its encoder as JSON for `Agent` in dream.js.

    Raises:
        ValueError: a core that the page cannot run, see `core_record`.
    """
    return {
        "world_model": world_model_record(agent.world_model),
        "decoder": decoder_record(agent.vae),
        "controller": {"names": list(agent.names), "weights": pack(agent.weights)},
        "actions": agent.actions.tolist(),
    }


def build_page(
    agents: Mapping[str, WorldModelsAgent], starts: Mapping[str, Any], temperature: float, about: str, simd: bool = True
) -> str:
    """Return the page as one HTML file.

    Args:
        agents: title -> agent; the first is shown first.
        starts: title -> mean and log variance of first frames, and under "game" the recorded game, as in `starts.json`.
        temperature: at which dreams begin.
        about: what the foot of the page says.
        simd: False leaves the WebAssembly kernel out, so that the page computes in plain loops.

    Raises:
        ValueError: an agent without starts; a core that the page cannot run.
    """
    records = {}
    for title, agent in agents.items():
        if title not in starts:
            raise ValueError(f"starts has none for {title!r}; it has {', '.join(starts)}: record them again")
        records[title] = {"record": agent_record(agent), "starts": starts[title]}
    data = {
        "agents": records,
        "game": starts["game"],
        "kernels": kernels() if simd else "",
        "temperature": temperature,
        "about": about,
    }
    return fill({"style": _read("page.css"), "data": as_json(data), "script": script(*LIBRARY, "page.js")})


def fill(parts: Mapping[str, str], template: str = "page.html") -> str:
    """Return a template of this folder with its {{ names }} replaced."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: parts[match[1]], _read(template))


def as_json(value: Any) -> str:
    """Return JSON that can stand in a script element of HTML."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
