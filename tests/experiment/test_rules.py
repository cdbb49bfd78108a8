"""Rules between settings: what is allowed one by one and fails together is refused in one line."""

import pytest

from wmlib.command import runner
from wmlib.experiment import rules, settings
from wmlib.experiment.run import Run
from wmlib.experiment.settings import SettingError


@pytest.fixture
def add(project):
    """Add rules of 01_good to the table of settings."""

    def add(text, table="[rules.01_good]"):
        file = project.path / "notebooks/profiles.toml"
        file.write_text(f"{file.read_text()}\n{table}\n{text}\n")

    return add


def allowed(**values):
    try:
        rules.check("01_good", {"steps": 3, "rate": 0.5, "task": "copy", **values})
    except SettingError as error:
        return str(error)
    return True


@pytest.mark.parametrize(
    "condition, right, wrong",
    [
        ("steps * rate <= 2", {"steps": 4}, {"steps": 5}),
        ("2 ** steps - 1 >= 7", {"steps": 3}, {"steps": 2}),
        ("rate == 0 or rate + 1 >= 2", {"rate": 0.0}, {"rate": 0.5}),
        ("task == 'copy' and steps >= 2 or steps >= 9", {"steps": 2}, {"steps": 2, "task": "repeat"}),
        ("steps * (steps + 1) <= 12", {"steps": 3}, {"steps": 4}),
    ],
)
def test_a_rule_holds_or_is_told_with_names_values_and_reason(add, condition, right, wrong):
    add(f'"{condition}" = "so it is"')
    assert allowed(**right) is True
    message = allowed(**wrong)
    assert all(word in message for word in (*wrong, "01_good", condition, "(so it is)", *map(repr, wrong.values())))
    assert "\n" not in message


@pytest.mark.parametrize(
    "text, words",
    [
        ('"stepz <= 3" = "so"', ["stepz", "not understood", "steps, rate, task"]),
        ('"steps <= " = "so"', ["'steps <= '", "not understood"]),
        ('"steps < 3" = "so"', ["steps < 3", "not understood"]),
        ('"1 <= steps <= 3" = "so"', ["1 <= steps <= 3", "not understood"]),
        ('"open(steps)" = "so"', ["open(steps)", "not understood"]),
        ('"steps.x" = "so"', ["steps.x", "not understood"]),
        ('"task <= 3" = "so"', ["task <= 3", "not understood"]),
        ('"steps <= 3" = 7', ["[rules.01_good]", "why"]),
    ],
)
def test_a_rule_that_is_none_is_refused(add, text, words):
    add(text)
    message = allowed()
    assert all(word in message for word in words) and "\n" not in message


@pytest.mark.parametrize("table", ["[rules.01_god]", "[rules]"])
def test_rules_of_no_notebook_are_refused(add, table):
    add('"steps <= 3" = "so"', table)
    with pytest.raises(SettingError, match=r"profiles.toml: rules: got .*01_good"):
        rules.read("01_good")


def test_the_rules_are_no_notebook(add):
    add('"steps <= 3" = "so"')
    assert [*settings.tables()] == ["01_good", "02_other", "03_third"]
    for word in ("rules", "07"):
        with pytest.raises(SettingError, match=r"allowed are 01_good, 02_other, 03_third\."):
            settings.read(word)


@pytest.mark.parametrize("text", ["rules = 3", "steps = ["])
def test_a_table_that_cannot_be_read_is_told_as_one_of_settings(project, text):
    file = project.path / "notebooks/profiles.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=r"profiles.toml"):
        rules.read("01_good")


def test_runner_and_notebook_both_ask(add, project):
    add('"steps * rate <= 2" = "so"')
    project.notebook("01_good", parameters="steps = None")
    message = "01_good: got steps = 9, rate = 0.5; allowed is"
    for call in (
        lambda steps: runner.plan(["01"], "quick", 1, "cpu", {"steps": steps}, None),
        lambda steps: Run("01_good", "quick", 1, "cpu", steps=steps),
    ):
        call(4)
        with pytest.raises(SettingError, match=message):
            call(9)
    with pytest.raises(SettingError, match=message):
        runner.plan(["01"], "paper", 1, "cpu", {}, None)


def test_without_rules_everything_goes(project):
    assert rules.read("01_good") == {} and allowed() is True


@pytest.mark.parametrize("notebook", runner.available())
def test_every_profile_keeps_the_rules_and_so_do_the_smallest_values(notebook):
    table = settings.read(notebook)
    assert rules.read(notebook)
    for profile in settings.PROFILES:
        rules.check(notebook, vars(settings.resolve(table, profile, {})))
    least = {name: setting.min for name, setting in table.items() if setting.min is not None}
    rules.check(notebook, vars(settings.resolve(table, "smoke", least)))
