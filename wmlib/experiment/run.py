"""A notebook's run: its settings, generators, cache and results under one name.

run = Run("01_cma_es_toy", profile, seed, device, population=population)   # refuses wrong values
run                                                                       # shows the table of settings
rates = run.cached(success_rates, run.seed, run.settings.population)      # calls the function, or finds its result again
run.store(headline=..., claims=[judge(claim, evidence)], data={"success": rates}, seeds={"runs": range(100)})
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wmlib.experiment import backend, paths, provenance, results, rules, seeding, settings, source_code
from wmlib.experiment.cache import ArtifactCache
from wmlib.experiment.statistics import Estimate


class Run:
    """One run of one notebook.

    Args:
        notebook: the notebook's file name without ending.
        profile: "smoke", "quick", "study" or "paper".
        seed: whole number >= 0; all generators come from it.
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        cpu_only: the notebook computes on the CPU, whatever `device` allows.
        overrides: settings by name, for those that have no line in the notebook's parameters cell.
        parameters: settings by name, those of the parameters cell; None leaves the profile's value.

    Raises:
        SettingError: unknown notebook, profile, parameter or device; wrong type; out of range; values that do not go together;
            CUDA asked for and absent.

    Attributes:
        settings: frozen dataclass of the resolved values.
        device: torch.device.
        backend: joblib's, where parallel work is done; see `wmlib.experiment.backend`.
        figures: folder of this notebook's figures and results.json.
    """

    def __init__(
        self,
        notebook: str,
        profile: str,
        seed: int,
        device: str,
        *,
        cpu_only: bool = False,
        overrides: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        self.table = settings.read(notebook)
        self.settings = settings.resolve(self.table, profile, {**parameters, **(overrides or {})})
        rules.check(notebook, vars(self.settings))
        self.notebook, self.profile, self.seed = notebook, profile, seed
        seeding.entropy(seed)  # refuses a bad seed now and not in the middle
        self.device = choose_device("cpu" if cpu_only else device)
        self.backend = backend.use_what_was_asked()
        self.figures = paths.figures(profile, notebook)
        self.cache = ArtifactCache(paths.output(profile) / "cache", os.environ.get("WMLIB_FRESH") or None)
        source_code.note_sources()
        self._start = time.monotonic()
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # one thread a process: repeatable to the bit, and processes do not fight

    def _repr_html_(self) -> str:
        table = settings.as_html(self.table, self.settings, self.profile)
        where = f"<p>profile <b>{self.profile}</b>, seed <b>{self.seed}</b>, device <b>{self.device}</b></p>"
        return where + table

    def rng(self, *names: str | int) -> np.random.Generator:
        """Return the NumPy generator of this run for a named use."""
        return seeding.generator(self.seed, *names)

    def torch_rng(self, *names: str | int) -> torch.Generator:
        """Return the PyTorch generator (on the CPU) of this run for a named use."""
        return seeding.torch_generator(self.seed, *names)

    def cached(self, function: Callable, /, *args: Any, **kwargs: Any) -> Any:
        """Return `function(*args, **kwargs)`, from the cache if the same was called before.

        The same: the function, its arguments (arrays by content), the source of its module and of every wmlib module that
        it imports, and the versions of the packages that change numbers. The seed is an argument like any other.

        Args:
            function: defined at the top of a module, or in this notebook if it uses nothing but its arguments and modules; it
                returns a tree (see `checkpoint`).
            args, kwargs: its arguments; see `fingerprint.describe` for what they may be.

        Raises:
            FingerprintError: a lambda, a function that uses variables, or an argument that cannot be part of a key.
        """
        return self.cache.values(function, *args, **kwargs)

    def cached_folder(self, function: Callable, /, *args: Any, **kwargs: Any) -> Path:
        """Return a folder that `function(folder, *args, **kwargs)` has filled; otherwise as `cached`."""
        return self.cache.folder(function, *args, **kwargs)

    def store(
        self, headline: tuple[str, Estimate, str], claims: list[dict], data: dict, seeds: Mapping[str, Sequence[int]]
    ) -> dict:
        """Write results.json (without figures yet: `viz.save_figure` adds them) and return it.

        Args:
            headline: label, estimate and one sentence with the number in it.
            claims: records made by `claims.judge`.
            data: everything the figures need, by figure; arrays become lists of 6 significant digits.
            seeds: the numbers that stand beside `seed` in the names of generators, by what they are for.
        """
        label, estimate, text = headline
        head, dirty = provenance.commit()
        record = {
            "schema": results.SCHEMA_VERSION,
            "notebook": self.notebook,
            "title": paths.title(paths.notebooks() / f"{self.notebook}.ipynb"),
            "profile": self.profile,
            "seed": self.seed,
            "seeds": {name: list(numbers) for name, numbers in seeds.items()},
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "settings": vars(self.settings),
            "headline": {
                "label": label,
                "value": estimate.value,
                "interval": [estimate.low, estimate.high],
                "n": estimate.n,
                "text": text,
            },
            "claims": claims,
            "data": data,
            "figures": [],
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "commit": head,
            "dirty": dirty,
            **self.clock(),
        }
        results.write(self.results_file, record)
        return results.read(self.results_file)

    @property
    def study(self) -> dict | None:
        """The committed results of this notebook's study run, or None where there are none yet."""
        file = paths.root() / "figures" / self.notebook / "study/results.json"
        return results.read(file) if file.is_file() else None

    def clock(self) -> dict[str, float]:
        """Return the seconds this run has taken so far, and these plus those of computing that it found in the cache.

        The second number adds up what processes computed side by side: with an empty cache the run takes less time than that.
        """
        seconds = time.monotonic() - self._start
        return {"wall_time_s": round(seconds, 1), "from_scratch_s": round(seconds + self.cache.saved_seconds, 1)}

    @property
    def results_file(self) -> Path:
        """Where this run's results.json lies."""
        return self.figures / "results.json"


def choose_device(device: str) -> torch.device:
    """Return the torch device for "auto", "cpu" or "cuda".

    Raises:
        SettingError: another word, or CUDA asked for and absent.
    """
    settings.choose("device", device, settings.DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise settings.SettingError("device: got 'cuda', but PyTorch finds no CUDA GPU here; use auto or cpu")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
