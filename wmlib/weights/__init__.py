"""Trained weights, small, for readers who cannot train: the agents of notebook 05, and small models of notebook 07.

Reading guide. `names` lists what is there, `load` builds one part and `load_agent` a whole agent. Each is a safetensors file in
half precision; `manifest.json` says of each how it is built, how it was made, how well it did, and its checksum. `save` writes
one. Notebook 05 lets an agent of the paper's size play; all else in the notebooks is made anew. A VAE is stored in fewer
numbers than it is trained in, and computes the same: see `fold`. Notebook 07's models are here for the web page using them.
"""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment import records
from wmlib.experiment.atomic import file_sha256, write_atomically
from wmlib.models.frame_model import FrameModel
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModelConfig

FOLDER = Path(__file__).parent
MANIFEST = "manifest.json"
KINDS = ("vae", "world model", "controller", "frame model", "policy")
AGAIN = "get it again from the repository, or save the weights again"

_check_manifest = records.checker(
    {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {
                "kind": {"enum": list(KINDS)},
                "settings": {"type": "object"},
                "bytes": {"type": "integer"},
                "sha256": {"type": "string"},
                "parts": {"type": "object"},
            },
            "required": ["kind", "settings", "bytes", "sha256"],
        },
    }
)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names that `load` knows."""
    return sorted(_manifest(folder))


def load(name: str, folder: Path = FOLDER) -> tuple[nn.Module | Tensor, dict]:
    """Return trained weights and what the manifest says of them.

    Args:
        name: one of `names()`.

    Returns:
        a VAE, a WorldModel, a controller's weights (F,), a FrameModel, or an ActorCritic, in float32; and its entry: "made"
        says how, "scores" how well.

    Raises:
        ValueError: an unknown name, a damaged manifest, or a file that is not the one in it.

    Example:
        >>> vae, entry = load("vae")
        >>> vae.latent_size
        64
    """
    manifest = _manifest(folder)
    if name not in manifest:
        raise ValueError(f"name is {name!r}; there are {', '.join(manifest) or 'none'} in {folder / MANIFEST}")
    entry = manifest[name]
    path = folder / f"{name}.safetensors"
    try:
        records.check_file(path, entry["sha256"])
    except records.RecordError as error:
        raise ValueError(f"{path.parent / str(error)}; {AGAIN}") from None
    return _build(entry["kind"], load_file(path), entry["settings"]), entry


def load_agent(name: str, folder: Path = FOLDER) -> WorldModelsAgent:
    """Return a whole agent by the name of its controller: the manifest says which VAE and world model belong to it.

    Raises:
        ValueError: what `load` raises; or a part is not the one that the controller was saved with.

    Example:
        >>> load_agent("controller").names
        ('z', 'h', 'c')
    """
    weights, entry = load(name, folder)
    if not isinstance(weights, Tensor):
        raise ValueError(f"name is {name!r}, a {entry['kind']}; give the name of a controller")
    return _agent(weights, entry["settings"], entry.get("parts", {}), folder, name)


def save(
    name: str, kind: str, tensors: Mapping[str, Tensor], settings: dict[str, Any], folder: Path = FOLDER, **facts: Any
) -> None:
    """Write weights in half precision and enter them in the manifest, once it is sure that `load` can build them.

    Args:
        name: file name without ending: letters, digits, _ and -.
        kind: one of `KINDS`; a controller's parts are saved before it.
        tensors: its state; a controller's are {"weights": (F,)}.
        settings: with which `load` builds it, JSON values.
        facts: made, scores: what readers should know, JSON values.

    Raises:
        ValueError: an argument that is not allowed, named, or a damaged manifest. Nothing has been written then.
    """
    manifest = _manifest(folder)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w-]*", name) or name == records.CHECKSUM:
        raise ValueError(f"name: got {name!r}; allowed are letters, digits, _ and -, and not {records.CHECKSUM!r}")
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}; allowed are {', '.join(KINDS)}")
    if not isinstance(settings, Mapping):
        raise ValueError(f"settings: got {settings!r}; allowed is a dict of JSON values")
    entry: dict[str, Any] = {"kind": kind, "settings": records.plain(settings, "settings")}
    for fact, value in facts.items():
        if fact in ("parts", "bytes", records.CHECKSUM):
            raise ValueError(f"{fact}: is found out, and cannot be given")
        entry[fact] = records.plain(value, fact)
    try:
        tensors = fold(tensors) if kind == "vae" else tensors
        half = {key: value.detach().half().contiguous() for key, value in tensors.items()}
        infinite = [key for key, value in half.items() if not value.isfinite().all()]
        part = _build(kind, half, entry["settings"])
        if isinstance(part, Tensor):
            entry["parts"] = {entry["settings"][of]: manifest[entry["settings"][of]]["sha256"] for of in ("vae", "world_model")}
            _agent(part, entry["settings"], entry["parts"], folder, name)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        why = textwrap.shorten(f"{type(error).__name__}: {error}", 300)
        raise ValueError(f"kind, tensors, settings: they do not make a {kind} that load() can build ({why})") from error
    if infinite:
        raise ValueError(f"tensors: {infinite[0]} is not finite in half precision, whose largest number is 65504")
    path = folder / f"{name}.safetensors"
    records.make_way(path)
    write_atomically(path, lambda temporary: save_file(half, temporary))
    entry |= {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    records.write(folder / MANIFEST, {**manifest, name: entry})


def _build(kind: str, tensors: Mapping[str, Tensor], settings: dict[str, Any]) -> nn.Module | Tensor:
    """Return a part in float32; its tensors may be in half precision."""
    tensors = {key: value.float() for key, value in tensors.items()}
    if kind == "controller":
        return tensors["weights"]
    part: nn.Module
    if kind == "vae":
        part = VAE(generator=torch.Generator(), **settings)
        tensors = unfold(tensors, part)
    elif kind == "frame model":
        others = {name: value for name, value in settings.items() if name != "core"}
        part = FrameModel(CoreConfig(**settings["core"]), generator=torch.Generator(), **others)
    elif kind == "policy":
        part = _policy(generator=torch.Generator(), **settings)
    else:
        part = WorldModelConfig(**{**settings, "core": CoreConfig(**settings["core"])}).build(torch.Generator())
    part.load_state_dict(tensors)
    return part.eval()


def _policy(observation_size: int, num_actions: int, hidden_sizes: list[int], generator: torch.Generator) -> ActorCritic:
    """Return a policy that sees a vector."""
    space = spaces.Box(-np.inf, np.inf, (observation_size,), np.float32)
    return ActorCritic(space, num_actions, PolicyConfig(tuple(hidden_sizes)), generator=generator)


def _agent(weights: Tensor, settings: dict[str, Any], parts: dict[str, str], folder: Path, name: str) -> WorldModelsAgent:
    """Return an agent of a controller's weights and of its parts, whose checksums `parts` holds."""
    built: list[Any] = []
    for part in (settings["vae"], settings["world_model"]):
        model, entry = load(part, folder)
        if entry["sha256"] != parts.get(part, entry["sha256"]):
            raise ValueError(f"{folder}: {name} was saved with another {part}; save {name} again, or {AGAIN}")
        built.append(model)
    vae, world_model = built
    actions = torch.tensor(settings["actions"], dtype=torch.float32)
    return WorldModelsAgent(vae, world_model, weights, settings["names"], actions)


def fold(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a VAE's weights without what its decoder has twice.

    Between the decoder's first two layers, Z -> F and F -> 25 D numbers, there is no nonlinearity, so their product, of
    rank Z, says all: Z + 1 rows (the last for the bias) instead of F. At the paper's size 1.3 of 4.4 million numbers are left.

    Args:
        tensors: a `VAE`'s state.

    Returns:
        the same without "features.…", and "deconvolutions.0.weight" with shape (Z + 1, D, 5, 5); unchanged where F is no
        larger than that.
    """
    if len(tensors["features.bias"]) <= tensors["features.weight"].shape[1] + 1:
        return dict(tensors)
    others = {name: value for name, value in tensors.items() if not name.startswith("features.")}
    first = torch.cat([tensors["features.weight"].T, tensors["features.bias"][None]])
    second = tensors["deconvolutions.0.weight"]
    product = first.double() @ second.flatten(1).double()
    return others | {"deconvolutions.0.weight": product.unflatten(1, second.shape[1:]).to(second.dtype)}


def unfold(tensors: Mapping[str, Tensor], vae: VAE) -> dict[str, Tensor]:
    """Return what `fold` gave as a state of `vae`: its first layer hands the latent vector and a 1 on, and zeros."""
    if "features.weight" in tensors:
        return dict(tensors)
    folded = tensors["deconvolutions.0.weight"]
    whole = {name: torch.zeros_like(vae.state_dict()[name]) for name in ("features.weight", "features.bias")}
    whole["features.weight"].fill_diagonal_(1.0)
    whole["features.bias"][len(folded) - 1] = 1.0
    second = torch.zeros_like(vae.state_dict()["deconvolutions.0.weight"])
    second[: len(folded)] = folded
    return {**tensors, **whole, "deconvolutions.0.weight": second}


def _manifest(folder: Path) -> dict[str, dict]:
    """Return the entries by name, none where there is no manifest."""
    path = folder / MANIFEST
    try:
        return records.read(path, _check_manifest, signed=False)
    except FileNotFoundError:
        return {}
    except records.RecordError as error:
        raise ValueError(f"{folder / str(error)}; {AGAIN}") from None
