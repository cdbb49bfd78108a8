"""Settings that are allowed one by one, drawn together: refused before the start in one line, or what they ask for can be had.

What is asked is what fails late in a notebook: the constructors of its trainings, its films and its curricula, with the fewest
rows, frames and games that may be there.
"""

import functools
import json
import subprocess
import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import torch

from wmlib.command import runner
from wmlib.envs.grid.cue_corridor import checked_level
from wmlib.envs.grid.levels import LEVELS
from wmlib.experiment import settings
from wmlib.experiment.settings import SettingError
from wmlib.lessons.addition import pipeline as addition
from wmlib.lessons.addition import recipes, training
from wmlib.lessons.addition import sequences as tasks
from wmlib.lessons.cma_es_toy import figures, solvers
from wmlib.lessons.neural_computer_agent import corridor, pipeline
from wmlib.lessons.pommerman import data, evaluation, games, measures
from wmlib.lessons.rnd_pixelcopter import figures as copter_figures
from wmlib.lessons.rnd_pixelcopter import pipeline as copter
from wmlib.models.vae import VAE
from wmlib.training.streams import StreamTrainer
from wmlib.training.vae import PAPER, VAETrainer

pytestmark = [pytest.mark.slow, pytest.mark.kind("settings that fail together")]

NOTEBOOKS = runner.available()
DRAWS = 25  # of each notebook
LARGEST = 1 << 30  # numbers that one tensor may have


def draw(setting, rng):
    """Draw an allowed value: often one of the ends, else evenly on a logarithmic scale."""
    if setting.choices is not None:
        return setting.choices[int(rng.integers(len(setting.choices)))]
    if isinstance(setting.quick, bool):
        return bool(rng.integers(2))
    low, high = setting.min, setting.max
    if rng.random() < 0.4:
        return type(setting.quick)(rng.choice([low, high]))
    shift = 0 if low > 0 else 1 - low
    value = np.exp(rng.uniform(np.log(low + shift), np.log(high + shift))) - shift
    return type(setting.quick)(min(high, max(low, round(value) if isinstance(setting.quick, int) else value)))


def some_settings(notebook, number):
    """Draw values for one to six settings of a notebook."""
    rng = np.random.default_rng([int(notebook[:2]), number])
    table = settings.read(notebook)
    names = rng.permutation(list(table))[: rng.integers(1, 7)]
    return {str(name): draw(table[name], rng) for name in names}


def navigate(settings):
    """Make the levels of notebook 07, one agent of each core, and the corridor's curriculum."""
    chosen = LEVELS[settings.size][: settings.levels]
    assert len(chosen) == settings.levels
    assert len(pipeline.run_configs(settings, "all")) == 4
    for level in corridor.curriculum(settings.corridor_cues, settings.corridor_length):
        checked_level(level)


def fly(s):
    """Make every arm of notebook 08, with the notebook's numbers of games where a run can hold them, and its film."""
    arms = [*copter.reward_arms("state", s.num_features).values(), *copter.choice_arms("pixels", s.num_features).values()]
    assert max(s.num_envs, s.pixel_envs) * s.num_features <= 1_000_000
    for arm in arms:
        config = copter.RunConfig(arm, 1, min(s.num_envs, 8), 2, s.entropy_coef, s.snapshots, s.validation_levels)
        assert config.snapshot_updates()[-1] == 1
        copter.CopterRun(config, 0)
    assert len(range(0, s.film_length, s.film_step)) >= 1
    copter_figures.draw_film([{"name": "a", "seed": 1, "ups": [], "length": s.film_length}], min(120, s.film_length - 1))


class Streams(StreamTrainer):
    def _initial_state(self):
        return ()


def read_in_streams(size, batch_size, seq_len, ahead=0):
    Streams(
        torch.nn.Linear(1, 1),
        size,
        generator=torch.Generator(),
        batch_size=batch_size,
        seq_len=seq_len,
        lr=1.0,
        max_grad_norm=1.0,
        ahead=ahead,
    )


def read_frames(episodes, batch_size):
    vae = VAE(generator=torch.Generator(), latent_size=1, channels=1)
    VAETrainer(vae, PAPER, lambda rows: rows, np.arange(100 * episodes), generator=torch.Generator(), batch_size=batch_size)


def search(s):
    """Film a run, and the smallest and largest of the slider, as the first notebook does."""
    for population in (s.population, 8, 256):
        budget = min(s.budget, 3 * population)
        film = solvers.film(np.random.default_rng(1), population, s.parents, s.sigma, budget)
        figures.draw_generation(mpl.figure.Figure().subplots(), film, 20)
    outcome = solvers.cma_es(
        np.random.default_rng(1), s.population, s.parents, s.sigma, min(s.restart_budget, 9 * s.population), None
    )
    assert np.isfinite(outcome.loss)


def mixtures(s):
    assert s.points * max(s.hidden_size, s.num_components) < LARGEST


def curriculum(s):
    class Begun(Exception):
        pass

    def stop(core, seen):
        raise Begun

    recipe = recipes.Recipe(recipes.CoreConfig("dnc", 4, 2))
    for task, sequences in (
        (s.task, s.sequences // 2),
        ("associative_recall", s.recall_sequences),
        ("addition", s.author_updates),
    ):
        levels = tasks.curriculum("cumulative", recipes.TASKS[task].levels)
        with pytest.raises(Begun):
            training.train(recipe, (1, 2), task=task, levels=levels, sequences=sequences, watch=stop)
    assert len(recipes.middle_learning_rates(s.search_lrs)) == s.search_lrs
    assert len(addition.draw_seeds(1, "final", s.seeds)) == s.seeds
    assert s.samples * s.num_slots**2 < LARGEST and 64 * (4 * s.num_slots) ** 2 < LARGEST and 64 * s.author_slots**2 < LARGEST


def vae(s):
    read_frames(s.episodes, s.batch_size)
    assert s.batch_size * 31 * 31 * s.channels < LARGEST


def dream(s):
    read_frames(s.vae_episodes, s.vae_batch_size)
    read_in_streams(100 * s.vae_episodes, s.batch_size, s.seq_len, ahead=1)
    state = s.hidden_size + s.num_slots * (s.num_slots + s.word_size)
    assert max(s.batch_size * s.seq_len, s.population * s.trials) * state < LARGEST


class Copy:
    """The model that says that nothing changes."""

    def initial_state(self, batch_size):
        return ()

    def predict(self, batch, state):
        return batch.vectors, state


@pytest.fixture(scope="module")
def few_games(tmp_path_factory):
    folders = []
    for seed in (1, 2, 3):
        folders.append(tmp_path_factory.mktemp("games"))
        games.play_games(folders[-1], 10, seed)
    return folders


def predict(s, folders, monkeypatch):
    read_in_streams(200 * s.games, s.batch_size, s.seq_len)
    read_in_streams(200 * s.games, s.tracker_batch_size, s.tracker_seq_len)
    assert s.batch_size * s.seq_len * s.channels * 121 < LARGEST
    if s.games >= 160 and s.film_start + s.film_length > 140:
        return  # among many games there is a long life; these are ten
    monkeypatch.setattr(evaluation, "load_model", lambda *_: Copy())
    monkeypatch.setattr(measures, "_read", lambda model, *where: data.read_batch(*where))
    monkeypatch.setattr(measures, "_dream_on", lambda model, batch, state: np.repeat(batch.vectors[:, :1].numpy(), 20, 1))
    for folder in folders:
        film = evaluation.film(
            folder,
            {"copy": (None, folder)},
            first=s.film_start,
            steps=s.film_length,
            every=s.dream_step,
            max_steps=s.max_life_steps,
        )
        assert len(film["truth"]) == s.film_length and len(film["starts"]) and len(film["dream_truth"]) == len(film["starts"])


@pytest.mark.parametrize("number", range(DRAWS))
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_what_is_accepted_can_be_had(drill, notebook, number, few_games, monkeypatch):
    given = some_settings(notebook, number)
    resolved = settings.resolve(settings.read(notebook), "smoke", given)
    try:
        runner.plan([notebook], "smoke", 1, "cpu", given, None)
    except SettingError as error:
        named = [name for name in given if name in str(error)]
        drill.good(named and notebook in str(error) and "\n" not in str(error), f"{given}: {error}")
        return
    predict_few = functools.partial(predict, folders=few_games, monkeypatch=monkeypatch)
    proofs = [search, mixtures, curriculum, vae, dream, predict_few, navigate, fly]
    try:
        proofs[NOTEBOOKS.index(notebook)](SimpleNamespace(**vars(resolved)))
    except Exception as error:
        drill.good(False, f"accepted: {given}: {error!r}")
    drill.good(True, given)


FAIL_TOGETHER = [
    ("01", {"population": 4096}, ["population", "budget"]),
    ("01", {"budget": 64, "population": 65}, ["population", "budget"]),
    ("01", {"restart_budget": 1000, "population": 1001}, ["population", "restart_budget"]),
    ("02", {"points": 1_000_000, "hidden_size": 4096}, ["points", "hidden_size"]),
    ("02", {"points": 1_000_000, "num_components": 64}, ["points", "num_components"]),
    ("03", {"longer_sequences": 50}, ["longer_sequences", "96"]),
    ("03", {"num_slots": 256, "larger_memories": 3}, ["num_slots", "larger_memories"]),
    ("03", {"samples": 100_000, "num_slots": 100}, ["samples", "num_slots"]),
    ("04", {"batch_size": 10_000}, ["batch_size", "episodes"]),
    ("04", {"batch_size": 10_000, "channels": 256, "episodes": 1000}, ["batch_size", "channels"]),
    ("05", {"vae_batch_size": 10_000}, ["vae_batch_size", "vae_episodes"]),
    ("05", {"batch_size": 10_000}, ["batch_size", "seq_len", "vae_episodes"]),
    ("05", {"seq_len": 10_000}, ["batch_size", "seq_len", "vae_episodes"]),
    ("05", {"population": 4096, "trials": 4096}, ["population", "trials", "hidden_size"]),
    ("05", {"hidden_size": 8192, "batch_size": 10_000, "vae_episodes": 100_000}, ["batch_size", "hidden_size"]),
    ("06", {"batch_size": 1024, "seq_len": 1024}, ["batch_size", "seq_len", "games"]),
    ("06", {"tracker_batch_size": 1024}, ["tracker_batch_size", "tracker_seq_len", "games"]),
    ("06", {"film_start": 60}, ["film_start", "film_length", "max_life_steps"]),
    ("06", {"max_life_steps": 21}, ["film_start", "film_length", "max_life_steps"]),
    ("06", {"film_start": 299, "max_life_steps": 800}, ["film_start", "film_length", "games"]),
    ("06", {"dream_step": 100, "film_start": 1}, ["dream_step", "film_length"]),
    ("06", {"channels": 1024, "batch_size": 1024, "seq_len": 2, "games": 100}, ["batch_size", "channels"]),
    ("08", {"num_envs": 4096, "num_features": 4096}, ["num_envs", "num_features"]),
    ("08", {"film_length": 2, "film_step": 10}, ["film_length", "film_step"]),
]


@pytest.mark.parametrize("word, given, names", FAIL_TOGETHER)
def test_known_pairs_are_refused_before_the_start(drill, word, given, names):
    drill.refused(lambda: runner.plan([word], "smoke", 1, "cpu", given, None), *names, error=SettingError)


@pytest.mark.parametrize("word, given, names", [FAIL_TOGETHER[i] for i in (0, 5, 17)])
def test_at_the_command_line_too(drill, tmp_path, word, given, names):
    pairs = [part for name, value in given.items() for part in ("-p", f"{name}={value}")]
    command = [sys.executable, "-m", "wmlib", "run", word, "--profile", "smoke", "--out", str(tmp_path / "out"), *pairs]
    drill.refused_at_the_command_line(subprocess.run(command, capture_output=True, text=True), *names)


def test_the_fewest_rows_that_the_rules_count_on_are_there(drill, few_games):
    steps = [len(data.list_views(table, games.split(table).train).rows) for table in map(games.load_games, few_games)]
    drill.good(min(steps) >= 200 * 10, steps)


@pytest.mark.parametrize(
    "word, given",
    [
        ("02", {"points": 20, "hidden_size": 1, "num_components": 64, "steps": 10, "author_steps": 10}),
        ("01", {"population": 64, "budget": 64, "restart_budget": 1000, "runs": 2, "peer_runs": 2, "film_step": 1000}),
    ],
)
def test_whole_notebooks_at_the_edge(drill, tmp_path, word, given):
    pairs = [part for name, value in given.items() for part in ("-p", f"{name}={value}")]
    command = [sys.executable, "-m", "wmlib", "run", word, "--profile", "smoke", "--out", str(tmp_path), *pairs]
    done = subprocess.run(command, capture_output=True, text=True)
    (file,) = [*tmp_path.glob("figures/*/results.json")] or [None]
    stored = json.loads(file.read_text())["settings"] if file else {}
    drill.good(done.returncode == 0 and stored.items() >= given.items(), done.stderr[-2000:])
