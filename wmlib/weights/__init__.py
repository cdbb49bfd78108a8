"""Trained weights, small, for readers who cannot train: the agents of notebook 05.

Reading guide. `names` lists what is there, `load` builds one part and `load_agent` a whole agent. Each is a safetensors file in
half precision; `manifest.json` says of each how it is built, how it was made, how well it did, and its checksum. `save` writes
one. Notebook 05 lets an agent of the paper's size play; all else in the notebooks is made anew. A VAE is stored in fewer
numbers than it is trained in, and computes the same: see `fold`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment.atomic import file_sha256, write_atomically
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModelConfig

FOLDER = Path(__file__).parent


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names that `load` knows."""
    return sorted(_manifest(folder))


def load(name: str, folder: Path = FOLDER) -> tuple[nn.Module | Tensor, dict]:
    """Return trained weights and what the manifest says of them.

    Args:
        name: one of `names()`.

    Returns:
        a VAE, a WorldModel, or a controller's weights (F,), in float32; and its entry: "made" says how, "scores" how well.

    Raises:
        ValueError: an unknown name, or a file that is not the one in the manifest.

    Example:
        >>> vae, entry = load("vae")
        >>> vae.latent_size
        64
    """
    manifest = _manifest(folder)
    if name not in manifest:
        raise ValueError(f"name is {name!r}; there are {', '.join(manifest)}")
    entry = manifest[name]
    path = folder / f"{name}.safetensors"
    if file_sha256(path) != entry["sha256"]:
        raise ValueError(f"{path} is not the file in the manifest (its checksum differs); get it again from the repository")
    tensors = {key: value.float() for key, value in load_file(path).items()}
    if entry["kind"] == "controller":
        return tensors["weights"], entry
    settings = entry["settings"]
    if entry["kind"] == "vae":
        vae = VAE(generator=torch.Generator(), **settings)
        vae.load_state_dict(unfold(tensors, vae))
        return vae.eval(), entry
    model = WorldModelConfig(**{**settings, "core": CoreConfig(**settings["core"])}).build(torch.Generator())
    model.load_state_dict(tensors)
    return model.eval(), entry


def load_agent(name: str, folder: Path = FOLDER) -> WorldModelsAgent:
    """Return a whole agent by the name of its controller: the manifest says which VAE and world model belong to it.

    Example:
        >>> load_agent("controller").names
        ('z', 'h', 'c')
    """
    weights, entry = load(name, folder)
    if not isinstance(weights, Tensor):
        raise ValueError(f"name is {name!r}, a {entry['kind']}; give the name of a controller")
    settings = entry["settings"]
    vae: Any = load(settings["vae"], folder)[0]
    world_model: Any = load(settings["world_model"], folder)[0]
    actions = torch.tensor(settings["actions"], dtype=torch.float32)
    return WorldModelsAgent(vae, world_model, weights, settings["names"], actions)


def save(
    name: str, kind: str, tensors: Mapping[str, Tensor], settings: dict[str, Any], folder: Path = FOLDER, **facts: Any
) -> None:
    """Write weights in half precision and enter them in the manifest.

    Args:
        name: file name without ending.
        kind: "vae", "world model" or "controller".
        settings: with which `load` builds it.
        facts: made, scores: what readers should know.
    """
    path = folder / f"{name}.safetensors"
    tensors = fold(tensors) if kind == "vae" else tensors
    half = {key: value.detach().half().contiguous() for key, value in tensors.items()}
    write_atomically(path, lambda temporary: save_file(half, temporary))
    entry = {"kind": kind, "settings": settings, "bytes": path.stat().st_size, "sha256": file_sha256(path), **facts}
    text = json.dumps({**_manifest(folder), name: entry}, indent=1, sort_keys=True)
    write_atomically(folder / "manifest.json", lambda temporary: Path(temporary).write_text(text + "\n"))


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
    path = folder / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else {}
