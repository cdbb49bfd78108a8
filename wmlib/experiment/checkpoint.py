"""Trees of tensors, arrays, numbers and generators on disk: written at once or not at all, read without unpickling.

A *tree* is any nesting of dict, list and tuple that ends in None, bool, int, float, str, a NumPy array, a tensor, or a
random generator (NumPy's or PyTorch's). It is stored in one safetensors file: the arrays as they are, everything else as JSON
in the header, with a checksum over both. So `Adam.state_dict()` or a generator in mid-stream goes in and comes out equal.

    checkpoint.save(path, {"model": model.state_dict(), "step": 500, "data": rng}, settings)
    state = checkpoint.load(path, settings)      # None if there is none yet
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from wmlib.experiment import records
from wmlib.experiment.atomic import write_atomically


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used: damaged, or made with other settings.

    Args:
        path: the file.
        fault: what is wrong with it.
        remedy: what to do.
    """

    def __init__(self, path: Path, fault: str, remedy: str = "delete it to start again") -> None:
        super().__init__(path, fault, remedy)
        self.fault = f"{path.name} {fault}"

    def __str__(self) -> str:
        path, fault, remedy = self.args
        return f"{path} {fault}; {remedy}"


def save(path: str | Path, state: Any, settings: Mapping | None = None) -> None:
    """Write a tree to `path`, atomically.

    Args:
        path: the file; its folder is made if need be.
        state: a tree (see the module's head).
        settings: what the state depends on, and whose it is; `load` refuses the file under other settings. JSON values.

    Raises:
        TypeError: the tree holds something else; the message names the place in the tree.
        ValueError: the settings are no JSON values.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _encode(state, tensors, "state")
    header = json.dumps({"tree": tree, "settings": records.plain(dict(settings or {}), "settings")})
    metadata = {"wmlib": header, "sha256": _digest(header, tensors)}
    records.make_way(Path(path))
    write_atomically(Path(path), lambda temporary: save_file(tensors, temporary, metadata=metadata))


def load(path: str | Path, settings: Mapping | None = None) -> Any:
    """Read what `save` wrote, or return None if there is no such file.

    Raises:
        CheckpointError: the file is damaged, or was written under other settings (the differences are listed).
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(path, "is a folder")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # copies: memory with the usual alignment, on which the last bits of a matrix product can depend
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        header = metadata["wmlib"]
        whole = metadata["sha256"] == _digest(header, tensors)
    except FileNotFoundError:  # safetensors says so of whatever it cannot open
        if os.path.lexists(path):
            raise CheckpointError(path, "cannot be read") from None
        return None
    except KeyError as error:
        raise CheckpointError(path, f"is damaged (it has no field {error})") from None
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(path, f"is damaged ({error})") from error
    if not whole:
        raise CheckpointError(path, "is damaged (its checksum does not match)")
    content = json.loads(header)
    differences = records.differences(content["settings"], records.plain(dict(settings or {}), "settings"))
    if differences:
        raise CheckpointError(
            path, f"was written under other settings: {differences}", "use those, or delete it to start again"
        )
    try:
        return _decode(content["tree"], tensors)
    except ValueError as error:
        raise CheckpointError(path, f"is of another version ({error})") from None


def _digest(header: str, tensors: dict[str, torch.Tensor]) -> str:
    sha = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        sha.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        sha.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _encode(node: Any, tensors: dict[str, torch.Tensor], where: str) -> Any:
    """Return the JSON form of a tree; tensors are put aside under running numbers."""
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if isinstance(node, np.generic):
        return _encode(node.item(), tensors, where)
    if isinstance(node, list):
        return [_encode(v, tensors, f"{where}[{i}]") for i, v in enumerate(node)]
    if isinstance(node, tuple):
        return {"tuple": [_encode(v, tensors, f"{where}[{i}]") for i, v in enumerate(node)]}
    if isinstance(node, Mapping):
        return {"dict": [[_key(k, where), _encode(v, tensors, f"{where}[{k!r}]")] for k, v in node.items()]}
    if isinstance(node, np.random.Generator):
        return {"numpy_generator": _encode(node.bit_generator.state, tensors, where)}
    kind, tensor = None, None
    if isinstance(node, torch.Tensor):
        kind = "tensor"
        tensor = node.detach().cpu()
    elif isinstance(node, np.ndarray) and node.dtype.kind in "biuf":
        kind = "array"
        tensor = torch.from_numpy(np.array(node, order="C"))
    elif isinstance(node, torch.Generator):
        kind = "torch_generator"
        tensor = node.get_state()
    if tensor is None:
        raise TypeError(f"{where}: a {type(node).__name__} cannot be stored; allowed are the kinds in checkpoint's docstring")
    name = str(len(tensors))
    tensors[name] = tensor.clone(memory_format=torch.contiguous_format)
    return {kind: name, "device": str(node.device)} if kind == "torch_generator" else {kind: name}


def _key(key: Any, where: str) -> str | int:
    if not isinstance(key, str | int):
        raise TypeError(f"{where}: the key {key!r} cannot be stored; allowed are str and int")
    return key


def _decode(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(v, tensors) for v in node]
    if not isinstance(node, dict):
        return node
    match node:
        case {"dict": pairs}:
            return {k: _decode(v, tensors) for k, v in pairs}
        case {"tuple": items}:
            return tuple(_decode(v, tensors) for v in items)
        case {"tensor": name}:
            return tensors[name]
        case {"array": name}:
            return tensors[name].numpy()
        case {"numpy_generator": state}:
            state = _decode(state, tensors)
            bits = getattr(np.random, state["bit_generator"])()
            bits.state = state
            return np.random.Generator(bits)
        case {"torch_generator": name, "device": device}:
            generator = torch.Generator(device=device)
            generator.set_state(tensors[name])
            return generator
    raise ValueError(f"unknown mark in a stored tree: {sorted(node)}")
