"""Which models notebook 06 trains and compares, by the names they have in its tables and figures.

Reading guide. `trial` are the thesis' models given a fair trial, `board_models` those behind a convolution, `trackers` those
that say what opponents have; each DNC's rival is an LSTM with as many parameters. `with_lrs` gives them learning rates: those
of a search, of the study's search (`stored_lrs`), or of the settings. `compared` adds the models that have no search.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from wmlib.lessons.pommerman.configs import ModelConfig
from wmlib.lessons.pommerman.own_action import BEST_TABLE
from wmlib.models.specs import ALLOCATION_GATES, CoreConfig

T = TypeVar("T")
LITERAL = "MDN-DNC, integers in"
ORACLE = "all four actions (oracle)"
PAIR = ("MDN-DNC", "MDN-LSTM")  # of the thesis' claim
UNJUDGED = ("feed-forward, last two states", "LSTM", "DNC", ORACLE)  # behind a convolution; no claim is about them
FILMED = (LITERAL, "MDN-LSTM", "MDN-DNC", "DNC")
MAPPED = (BEST_TABLE, "DNC", ORACLE)  # in the picture by distance
DREAMING = (  # in the picture by horizon
    "copy baseline",
    "most common board",
    BEST_TABLE,
    "MDN-LSTM",
    "MDN-DNC",
    "feed-forward, last two states",
    "LSTM",
    "DNC",
)
SEARCHED_FOR = (  # settings for which learning rates hold
    *("hidden_size", "channels", "board_hidden_size", "tracker_hidden_size"),
    *("num_slots", "word_size", "num_heads", "tracker_word_size", "num_components", "allocation_gate"),
    *("batch_size", "seq_len", "tracker_batch_size", "tracker_seq_len"),
)


def _core(settings: Any, **sizes: Any) -> CoreConfig:
    return CoreConfig(
        **{
            "kind": "dnc",
            "num_slots": settings.num_slots,
            "word_size": settings.word_size,
            "num_heads": settings.num_heads,
            "allocation_bias": ALLOCATION_GATES[settings.allocation_gate],
            **sizes,
        }
    )


def _rival(dnc: ModelConfig) -> ModelConfig:
    """Return the model with an LSTM that has as many parameters."""
    return dnc.with_core(kind="lstm").as_large_as(dnc)


def trial(settings: Any) -> dict[str, ModelConfig]:
    """Return the thesis' models: one-hot input, input skip, both heads, both cores.

    Args:
        settings: the notebook's, resolved.
    """
    mdn = ModelConfig(
        _core(settings, hidden_size=settings.hidden_size),
        family="one-hot",
        num_components=settings.num_components,
        updates=settings.updates,
        batch_size=settings.batch_size,
        seq_len=settings.seq_len,
        lr=settings.one_hot_lr,
    )
    categorical = replace(mdn, head="categorical")
    return {
        "MDN-LSTM": _rival(mdn),
        "MDN-DNC": mdn,
        "categorical LSTM": _rival(categorical),
        "categorical DNC": categorical,
    }


def board_models(settings: Any) -> dict[str, ModelConfig]:
    """Return the models behind a convolution; arguments as for `trial`."""
    dnc = ModelConfig(
        _core(settings, hidden_size=settings.board_hidden_size),
        channels=settings.channels,
        updates=settings.board_updates,
        batch_size=settings.batch_size,
        seq_len=settings.seq_len,
        lr=settings.board_lr,
    )
    return {"feed-forward": dnc.with_core(kind="feedforward"), "LSTM": _rival(dnc), "DNC": dnc}


def trackers(settings: Any) -> dict[str, ModelConfig]:
    """Return the models that say what opponents have; arguments as for `trial`."""
    dnc = ModelConfig(
        _core(settings, hidden_size=settings.tracker_hidden_size, word_size=settings.tracker_word_size),
        family="tracker",
        updates=settings.tracker_updates,
        batch_size=settings.tracker_batch_size,
        seq_len=settings.tracker_seq_len,
        lr=settings.tracker_lr,
    )
    return {"tracker LSTM": _rival(dnc), "tracker DNC": dnc}


def searched(settings: Any) -> dict[str, ModelConfig]:
    """Return all models whose learning rate is searched; arguments as for `trial`."""
    return trial(settings) | board_models(settings) | trackers(settings)


def stored_lrs(study: Mapping[str, Any] | None, settings: Any) -> tuple[dict[str, dict[float, float]], str]:
    """Return what the search of a study run found, and why there is nothing that can be used.

    Args:
        study: its results; None: there is none.
        settings: of this run.

    Returns:
        by name: learning rate -> loss, and an empty text; or nothing and the reason.
    """
    if study is None:
        return {}, "there is no study run yet"
    others = [
        f"{name} = {study['settings'].get(name)}"
        for name in SEARCHED_FOR
        if study["settings"].get(name) != vars(settings)[name]
    ]
    if others:
        return {}, f"the study's search was made with {', '.join(others)}"
    tables = study["data"].get("search", {})
    missing = set(searched(settings)) - set(tables)
    if missing:
        return {}, f"the study's results say nothing of {', '.join(sorted(missing))}"
    return {name: dict(zip(table["lrs"], table["losses"], strict=True)) for name, table in tables.items()}, ""


def with_lrs(models: Mapping[str, ModelConfig], losses: Mapping[str, Mapping[float, float]]) -> dict[str, ModelConfig]:
    """Return the models with the learning rates that won their search; without one they keep their own.

    Args:
        models: by name.
        losses: by name: learning rate -> loss on the validation games.
    """
    best = {name: min(tried, key=lambda lr: tried[lr]) for name, tried in losses.items()}
    return {name: replace(config, lr=best.get(name, config.lr)) for name, config in models.items()}


def compared(best: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Return the next-state models that are compared.

    Args:
        best: as from `searched`, each with its learning rate. Models without a search take that of what they vary.
    """
    forward = best["feed-forward"]
    return {
        LITERAL: replace(best["MDN-DNC"], family="vector"),
        **{name: best[name] for name in ("MDN-LSTM", "MDN-DNC", "categorical LSTM", "categorical DNC")},
        "feed-forward": forward,
        "feed-forward, last two states": replace(forward, window=True),
        **{name: best[name] for name in ("LSTM", "DNC")},
        ORACLE: replace(forward, full=True, known_actions=4),
    }


def compared_trackers(best: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Return the models that say what opponents have, with `best` as for `compared`."""
    return {"LSTM": best["tracker LSTM"], "DNC": best["tracker DNC"]}


def seeds_of(models: Iterable[str], settings: Any) -> dict[str, int]:
    """Return how many training seeds each model has: fewer where no claim needs them, one where it is no trial.

    Args:
        models: names, as from `compared`.
        settings: the notebook's, resolved.
    """
    fewer = {LITERAL: 1} | dict.fromkeys(UNJUDGED, settings.unjudged_seeds)
    return {name: min(settings.seeds, fewer.get(name, settings.seeds)) for name in models}


def for_seeds(models: Mapping[str, ModelConfig], seeds: Mapping[str, int]) -> list[ModelConfig]:
    """Return each model with each of its training seeds, model after model.

    Args:
        models: by name.
        seeds: how many, by name.
    """
    return [replace(config, training_seed=seed) for name, config in models.items() for seed in range(seeds[name])]


def by_name(models: Iterable[str], seeds: Mapping[str, int], results: Iterable[T]) -> dict[str, list[T]]:
    """Sort results in the order of `for_seeds` by the name of the model: one for each training seed."""
    results = iter(results)
    return {name: list(itertools.islice(results, seeds[name])) for name in models}


def kind(config: ModelConfig | None) -> str:
    """Return the kind of a predictor, which gives it its colour: "rule" (None), "thesis", "oracle" or "ours"."""
    if config is None:
        return "rule"
    if config.family in ("vector", "one-hot"):
        return "thesis"
    return "oracle" if config.known_actions > 1 else "ours"
