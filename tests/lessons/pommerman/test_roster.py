"""Which models are compared: what differs between them, and what the settings and searches decide."""

import pytest

from wmlib.experiment import settings
from wmlib.lessons.pommerman import roster
from wmlib.models.specs import CLOSED

TABLE = settings.read("06_pommerman_prediction")


def resolved(**overrides):
    return settings.resolve(TABLE, "smoke", overrides)


@pytest.mark.parametrize("name", ["MDN-DNC", "categorical DNC", "DNC", "tracker DNC"])
def test_the_rival_of_a_dnc_differs_in_the_core_alone_and_has_as_many_parameters(name):
    models = roster.searched(resolved())
    dnc, lstm = models[name], models[name.replace("DNC", "LSTM")]
    assert lstm == dnc.with_core(kind="lstm", hidden_size=lstm.core.hidden_size)
    assert lstm.num_parameters() == pytest.approx(dnc.num_parameters(), rel=0.05)


def test_the_heads_are_the_only_difference_between_the_thesis_models():
    models = roster.trial(resolved())
    mdn, categorical = models["MDN-DNC"], models["categorical DNC"]
    assert (mdn.head, categorical.head) == ("mixture", "categorical") and mdn.core == categorical.core
    assert mdn.family == categorical.family == "one-hot" and mdn.updates == categorical.updates


def test_settings_reach_the_models():
    s = resolved(allocation_gate="default", tracker_word_size=3, seq_len=5, num_components=2, board_updates=7, tracker_lr=0.5)
    models = roster.searched(s)
    assert models["DNC"].core.allocation_bias is None and models["DNC"].seq_len == 5 and models["DNC"].updates == 7
    assert models["tracker DNC"].core.word_size == 3 and models["DNC"].core.word_size == 16
    assert models["MDN-LSTM"].num_components == 2 and models["tracker LSTM"].lr == 0.5
    assert roster.searched(resolved())["DNC"].core.allocation_bias == CLOSED


def test_compared_models_take_the_learning_rate_of_what_they_vary():
    best = roster.with_lrs(roster.searched(resolved()), {"feed-forward": {1.0: 3.0, 2.0: 1.0}, "MDN-DNC": {5.0: 0.1}})
    models = roster.compared(best)
    assert len(models) == 10 and models["feed-forward, last two states"].lr == models[roster.ORACLE].lr == 2.0
    assert models[roster.LITERAL].lr == models["MDN-DNC"].lr == 5.0 and models[roster.LITERAL].family == "vector"
    assert models["DNC"].lr == resolved().board_lr  # not searched
    oracle = models[roster.ORACLE]
    assert oracle.full and oracle.known_actions == 4 and not models["DNC"].full
    assert list(roster.compared_trackers(best)) == ["LSTM", "DNC"]


def study_of(s, **changed):
    search = {name: {"lrs": [0.1, 0.2], "losses": [2.0, 1.0]} for name in roster.searched(s)}
    return {"settings": vars(s) | changed, "data": {"search": search}}


def test_the_learning_rates_of_the_study_are_taken_where_they_hold():
    s = resolved()
    losses, reason = roster.stored_lrs(study_of(s, seeds=99), s)
    assert reason == "" and set(losses) == set(roster.searched(s)) and losses["DNC"] == {0.1: 2.0, 0.2: 1.0}
    assert roster.with_lrs(roster.searched(s), losses)["tracker LSTM"].lr == 0.2


@pytest.mark.parametrize(
    ("study", "why"),
    [
        (lambda s: None, "there is no study run yet"),
        (lambda s: study_of(s, hidden_size=99), "hidden_size = 99"),
        (lambda s: study_of(s) | {"data": {}}, "say nothing of"),
    ],
)
def test_the_learning_rates_of_another_study_are_not(study, why):
    s = resolved()
    losses, reason = roster.stored_lrs(study(s), s)
    assert losses == {} and why in reason


def test_predictors_are_sorted_by_seed_and_have_kinds():
    models = roster.compared(roster.searched(resolved()))
    assert roster.by_name(["a", "b"], {"a": 2, "b": 1}, [1, 2, 3]) == {"a": [1, 2], "b": [3]}
    seeds = dict.fromkeys(models, 2) | {"MDN-LSTM": 1}
    assert [c.training_seed for c in roster.for_seeds(models, seeds)][:5] == [0, 1, 0, 0, 1]
    kinds = [roster.kind(models.get(name)) for name in ("copy baseline", roster.LITERAL, "MDN-DNC", "DNC", roster.ORACLE)]
    assert kinds == ["rule", "thesis", "thesis", "ours", "oracle"]


def test_claims_have_all_training_seeds_and_other_models_fewer():
    models = roster.compared(roster.searched(resolved()))
    seeds = roster.seeds_of(models, resolved(seeds=5, unjudged_seeds=3))
    judged = [*roster.trial(resolved()), "feed-forward"]
    assert [seeds[name] for name in judged] == [5] * 5 and seeds[roster.LITERAL] == 1
    assert [seeds[name] for name in roster.UNJUDGED] == [3] * 4 and set(seeds) == set(models)
    assert set(roster.seeds_of(models, resolved(seeds=1, unjudged_seeds=3)).values()) == {1}


@pytest.mark.parametrize("names", [roster.UNJUDGED, roster.FILMED, roster.MAPPED, roster.DREAMING, roster.PAIR])
def test_pictures_name_models_that_exist(names):
    from wmlib.lessons.pommerman.own_action import RULES

    assert set(names) <= set(RULES) | set(roster.compared(roster.searched(resolved())))


def test_every_setting_that_a_search_holds_for_exists():
    assert set(roster.SEARCHED_FOR) <= set(TABLE)
