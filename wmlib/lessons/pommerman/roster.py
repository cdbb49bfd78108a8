"""Which models notebook 06 trains and compares, by the names they have in its tables and figures.

Reading guide. `searched` are the models whose learning rate is searched; `compared` and `trackers` are made of them when that
is known. Those that are not searched take the learning rate of the one they are a variant of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wmlib.lessons.pommerman.configs import NO_CORE, ModelConfig
from wmlib.models.specs import ALLOCATION_GATES, CoreConfig

FILMED = ("MDN-LSTM", "MDN-DNC", "LSTM", "DNC")
MAPPED = ("table of cells", "DNC", "all four actions (oracle)")  # in the picture by distance
DREAMING = (  # in the picture by horizon
    "copy baseline",
    "most common board",
    "table of cells",
    "MDN-LSTM",
    "MDN-DNC",
    "feed-forward, last two states",
    "LSTM",
    "DNC",
    "feed-forward, last two states, all four actions",
)


def searched(settings: Any) -> dict[str, ModelConfig]:
    """Return the models whose learning rate is searched.

    Args:
        settings: the notebook's, resolved.
    """
    core = CoreConfig(
        kind=NO_CORE,
        hidden_size=settings.hidden_size,
        num_slots=settings.num_slots,
        word_size=settings.word_size,
        num_heads=settings.num_heads,
        allocation_bias=ALLOCATION_GATES[settings.allocation_gate],
    )
    feed_forward = ModelConfig(
        core,
        channels=settings.channels,
        updates=settings.updates,
        batch_size=settings.batch_size,
        seq_len=settings.seq_len,
    )
    mdn = replace(feed_forward, family="vector", num_components=settings.num_components)
    tracker = replace(
        feed_forward.with_core(hidden_size=settings.tracker_hidden_size, word_size=settings.tracker_word_size),
        family="tracker",
        batch_size=settings.tracker_batch_size,
        seq_len=settings.tracker_seq_len,
    )
    return {
        "feed-forward": feed_forward,
        "LSTM": feed_forward.with_core(kind="lstm"),
        "DNC": feed_forward.with_core(kind="dnc"),
        "MDN-LSTM": mdn.with_core(kind="lstm"),
        "MDN-DNC": mdn.with_core(kind="dnc"),
        "tracker LSTM": tracker.with_core(kind="lstm"),
        "tracker DNC": tracker.with_core(kind="dnc"),
    }


def compared(best: Mapping[str, ModelConfig], all_actions: bool) -> dict[str, ModelConfig]:
    """Return the next-state models that are compared.

    Args:
        best: as from `searched`, each with its best learning rate.
        all_actions: True adds the window of two states that is given all four actions.
    """
    window = replace(best["feed-forward"], window=True)
    models = {
        "MDN-LSTM, differences": replace(best["MDN-LSTM"], difference=True),
        "MDN-LSTM": best["MDN-LSTM"],
        "MDN-LSTM, equal parameters": best["MDN-LSTM"].as_large_as(best["MDN-DNC"]),
        "MDN-DNC": best["MDN-DNC"],
        "feed-forward": best["feed-forward"],
        "feed-forward, last two states": window,
        "LSTM": best["LSTM"],
        "LSTM, equal parameters": best["LSTM"].as_large_as(best["DNC"]),
        "DNC": best["DNC"],
    }
    if all_actions:
        models["feed-forward, last two states, all four actions"] = replace(window, known_actions=4)
    models["all four actions (oracle)"] = replace(best["feed-forward"], full=True, known_actions=4)
    return models


def trackers(best: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Return the models that say what opponents have, with `best` as for `compared`."""
    return {
        "LSTM": best["tracker LSTM"],
        "LSTM, equal parameters": best["tracker LSTM"].as_large_as(best["tracker DNC"]),
        "DNC": best["tracker DNC"],
    }


def for_seeds(models: Mapping[str, ModelConfig], seeds: int) -> list[ModelConfig]:
    """Return each model with each of its training seeds, model after model."""
    return [replace(config, training_seed=seed) for config in models.values() for seed in range(seeds)]


def by_name(models: Mapping[str, ModelConfig], seeds: int, results: list) -> dict[str, list]:
    """Sort results in the order of `for_seeds` by the name of the model: one for each training seed."""
    return {name: results[i * seeds : (i + 1) * seeds] for i, name in enumerate(models)}


def kind(config: ModelConfig | None) -> str:
    """Return the kind of a predictor, which gives it its colour: "rule" (None), "thesis", "oracle" or "ours"."""
    if config is None:
        return "rule"
    if config.family == "vector":
        return "thesis"
    return "oracle" if config.known_actions > 1 else "ours"
