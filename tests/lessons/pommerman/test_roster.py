"""Which models are compared: what differs between them, and what the settings decide."""

from dataclasses import replace

import pytest

from wmlib.experiment import settings
from wmlib.lessons.pommerman import roster
from wmlib.models.specs import CLOSED

TABLE = settings.read("06_pommerman_prediction")


def resolved(**overrides):
    return settings.resolve(TABLE, "smoke", overrides)


def test_cores_are_the_only_difference_between_the_models_of_a_family():
    models = roster.searched(resolved())
    assert models["LSTM"] == models["feed-forward"].with_core(kind="lstm")
    assert models["MDN-DNC"] == models["MDN-LSTM"].with_core(kind="dnc")
    assert models["tracker DNC"] == models["tracker LSTM"].with_core(kind="dnc")


def test_settings_reach_the_models():
    s = resolved(allocation_gate="default", tracker_word_size=3, seq_len=5, num_components=2)
    models = roster.searched(s)
    assert models["DNC"].core.allocation_bias is None and models["DNC"].seq_len == 5
    assert models["tracker DNC"].core.word_size == 3 and models["DNC"].core.word_size == 16
    assert models["MDN-LSTM"].num_components == 2
    assert roster.searched(resolved())["DNC"].core.allocation_bias == CLOSED


def test_compared_models_take_the_learning_rate_of_what_they_vary():
    best = {name: replace(config, lr=i + 1.0) for i, (name, config) in enumerate(roster.searched(resolved()).items())}
    models = roster.compared(best, all_actions=False)
    assert len(models) == 10 and models["feed-forward, last two states"].lr == best["feed-forward"].lr
    assert models["LSTM, equal parameters"].lr == best["LSTM"].lr != models["DNC"].lr
    oracle = models["all four actions (oracle)"]
    assert oracle.full and oracle.known_actions == 4 and not models["DNC"].full
    large, dnc = models["MDN-LSTM, equal parameters"].num_parameters(), models["MDN-DNC"].num_parameters()
    assert abs(large - dnc) / dnc < 0.05
    assert list(roster.trackers(best)) == ["LSTM", "LSTM, equal parameters", "DNC"]


def test_one_more_model_where_the_settings_ask_for_it():
    best = roster.searched(resolved())
    (more,) = set(roster.compared(best, True)) - set(roster.compared(best, False))
    window = roster.compared(best, True)[more]
    assert window.window and window.known_actions == 4 and not window.full


@pytest.mark.parametrize("names", [roster.FILMED, roster.MAPPED, roster.DREAMING])
def test_pictures_name_models_that_exist(names):
    from wmlib.lessons.pommerman.baselines import BASELINES

    assert set(names) <= set(BASELINES) | set(roster.compared(roster.searched(resolved()), all_actions=True))


def test_seeds_are_put_in_order_and_found_again():
    models = {name: config for name, config in roster.searched(resolved()).items() if name in ("LSTM", "DNC")}
    configs = roster.for_seeds(models, 3)
    assert [(c.core.kind, c.training_seed) for c in configs] == [(k, i) for k in ("lstm", "dnc") for i in range(3)]
    assert roster.by_name(models, 3, list("abcdef")) == {"LSTM": ["a", "b", "c"], "DNC": ["d", "e", "f"]}


def test_kinds_give_colours():
    models = roster.compared(roster.searched(resolved()), all_actions=True)
    kinds = {name: roster.kind(config) for name, config in models.items()}
    assert kinds["MDN-DNC"] == "thesis" and kinds["DNC"] == kinds["feed-forward"] == "ours"
    assert [name for name, kind in kinds.items() if kind == "oracle"] == [
        "feed-forward, last two states, all four actions",
        "all four actions (oracle)",
    ]
    assert roster.kind(None) == "rule"
