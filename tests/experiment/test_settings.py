"""Settings: a profile's values, what may override them, and what is refused in one line."""

import pytest

from wmlib.experiment.settings import PROFILES, SettingError, as_html, read, resolve


def test_profile_values_and_overrides(project):
    table = read("01_good")
    assert vars(resolve(table, "paper", {})) == {"steps": 9, "rate": 0.5, "task": "copy"}
    resolved = resolve(table, "quick", {"steps": 7, "rate": 2, "task": None})
    assert vars(resolved) == {"steps": 7, "rate": 2.0, "task": "copy"}
    assert type(resolved.rate) is float
    with pytest.raises(AttributeError):
        resolved.steps = 8  # frozen


@pytest.mark.parametrize(
    "profile, overrides, message",
    [
        ("quik", {}, "profile: got 'quik'.*Did you mean 'quick'"),
        ("quick", {"stepz": 3}, "parameter: got 'stepz'.*Did you mean 'steps'"),
        ("quick", {"steps": 3.0}, "steps: got 3.0; allowed is a whole number"),
        ("quick", {"steps": True}, "steps: got True"),
        ("quick", {"rate": "fast"}, "rate: got 'fast'; allowed is a finite number"),
        ("quick", {"steps": 11}, "steps: got 11; allowed is 1 to 10"),
        ("quick", {"steps": 0}, "steps: got 0; allowed is 1 to 10"),
        ("quick", {"rate": -0.1}, "rate: got -0.1; allowed is >= 0.0"),
        ("quick", {"rate": float("nan")}, "rate: got nan"),
        ("quick", {"task": "cpoy"}, "task: got 'cpoy'.*copy, repeat.*Did you mean 'copy'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(project, profile, overrides, message):
    with pytest.raises(SettingError, match=message) as error:
        resolve(read("01_good"), profile, overrides)
    assert "\n" not in str(error.value)


def test_unknown_notebook_is_refused_with_the_nearest(project):
    with pytest.raises(SettingError, match="Did you mean '01_good'"):
        read("01_god")


def test_a_table_that_breaks_its_own_bounds_is_refused(project):
    file = project.path / "notebooks/profiles.toml"
    file.write_text('[01_good]\nsteps = { doc = "n", smoke = 0, quick = 3, study = 3, paper = 9, min = 1 }')
    with pytest.raises(SettingError, match="steps: got 0"):
        read("01_good")


def test_the_table_in_the_notebook_shows_profiles_and_what_was_changed(project):
    table = read("01_good")
    shown = as_html(table, resolve(table, "quick", {"steps": 7}), "quick")
    for text in ("<b>7</b> (yours)", "<b>3</b>", ">9<", "how fast"):
        assert text in shown
    assert "(yours)" not in as_html(table, resolve(table, "quick", {}), "quick")
    assert set(PROFILES) == {"smoke", "quick", "study", "paper"}
