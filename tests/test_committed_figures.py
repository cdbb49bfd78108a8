"""The committed figures are functions of the committed results: drawn again, they look the same."""

import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmlib.experiment import results
from wmlib.lessons.addition import figures as addition
from wmlib.lessons.cma_es_toy import figures as cma_es_toy
from wmlib.lessons.mixture_density import figures as mixture_density
from wmlib.lessons.neural_computer_agent import corridor_figures, extension_figures
from wmlib.lessons.neural_computer_agent import figures as neural_computer_agent
from wmlib.lessons.pommerman import figures as pommerman
from wmlib.lessons.pommerman.evaluation import HORIZONS
from wmlib.lessons.rnd_pixelcopter import figures as rnd_pixelcopter
from wmlib.lessons.rnd_pixelcopter.pipeline import BOTH
from wmlib.lessons.vae import figures as vae
from wmlib.lessons.vizdoom_dream import figures as vizdoom_dream
from wmlib.viz import memory_inspector
from wmlib.viz.figures import FILM_DPI, to_png

FIGURES = Path(__file__).parents[1] / "figures"


def by_name(module, *names):
    """Return functions from stored data to the lesson's figure, by the figures' names."""

    def draw(name, data):
        return getattr(module, f"draw_{name}")(data[name])

    return {name: partial(draw, name) for name in names}


def addition_strip(data):
    symbols = ["01234?"[i] for i in np.argmax(data["sum_strip"]["inputs"], -1)]
    return memory_inspector.draw_strip(data["sum_strip"], symbols)


def pommerman_strip(data):
    return pommerman.draw_strip(data["dreams"], data["dreams"]["starts"][0], HORIZONS)


def last_dream(data):
    last = data["dreams"][-1]
    return neural_computer_agent.draw_dream(data["dreams"], last["level"], last["iteration"], len(last["real"]) - 1)


def matrices(name, label):
    return lambda data: neural_computer_agent.draw_matrices(data[name], label)


def neural_computer_agent_film(data):
    last = max(dream["level"] for dream in data["dreams"])
    of_level = [dream for dream in data["dreams"] if dream["level"] == last]
    film = [of_level[0], of_level[-1]] if len(of_level) > 1 else of_level
    return neural_computer_agent.draw_film(film, max(len(dream["real"]) for dream in film) - 1)


def sparse(data):
    return rnd_pixelcopter.draw_runs(data["sparse"], "rewards in a training episode", "blocks passed on a test level")


DRAWN = {
    "01_cma_es_toy": by_name(cma_es_toy, "success", "ends", "sweeps", "slip"),
    "02_mixture_density_network": by_name(mixture_density, "fits", "steps", "components", "density", "excess", "public"),
    "03_dnc_addition_curriculum": {
        **by_name(addition, "curves", "lengths", "retention", "memory", "recall"),
        "search": lambda data: addition.draw_search(data["search"]["addition"]),
        "strip": lambda data: memory_inspector.draw_strip(data["strip"]),
        "sum_strip": addition_strip,
    },
    "04_vae": {
        **by_name(vae, "two_by_two", "hits", "training", "kl", "probe", "latent"),
        "reconstructions": lambda data: vae.draw_pictures(data["reconstructions"], rings=True),
        "stages": lambda data: vae.draw_pictures(data["stages"]),
    },
    "05_vizdoom_dream": {
        **by_name(vizdoom_dream, "scores", "evolution", "transfer", "prediction", "losses"),
        "strip": lambda data: vae.draw_pictures(data["strip"]),
        "memory": lambda data: memory_inspector.draw_strip(data["memory"]),
    },
    "06_pommerman_prediction": {
        **by_name(pommerman, "scores", "groups", "near", "ahead", "hidden"),
        "strip": pommerman_strip,
    },
    "07_neural_computer_agent": {
        **by_name(neural_computer_agent, "cost"),
        "model_matrices": matrices("model_matrices", "moves predicted exactly"),
        "policy_matrices": matrices("policy_matrices", "levels solved greedily"),
        "dream": last_dream,
        "corridor_success": lambda data: corridor_figures.draw_success(data["corridor_success"]),
        "corridor_updates": lambda data: corridor_figures.draw_updates(data["corridor_updates"]),
        "corridor_swap": lambda data: corridor_figures.draw_swap(data["corridor_swap"]),
        "rehearsal": lambda data: extension_figures.draw_kept(data["rehearsal"]),
        "view": lambda data: extension_figures.draw_view(data["view"]),
    },
    "08_rnd_pixelcopter": {
        **by_name(rnd_pixelcopter, "walk", "curves", "scores", "rasters", "choices"),
        "sparse": sparse,
        "novelty": lambda data: rnd_pixelcopter.draw_novelty(data["snapshots"]),
        "snapshot": lambda data: rnd_pixelcopter.draw_snapshot(data["snapshots"], BOTH, len(data["snapshots"][BOTH])),
    },
}
STUDY_ONLY = {  # what a quick run is too small for
    "03_dnc_addition_curriculum": by_name(addition, "seeds"),
    "05_vizdoom_dream": by_name(vizdoom_dream, "tunings", "rounds"),
    "07_neural_computer_agent": {
        "larger": lambda data: neural_computer_agent.draw_cost(data["larger"]),
        "guards": lambda data: extension_figures.draw_guards(data["guards"]),
    },
    "08_rnd_pixelcopter": {
        "memory": lambda data: rnd_pixelcopter.draw_runs(data["memory"], "return of training episodes", "mean test return")
    },
}
# which frame is the poster: see the notebooks
POSTERS = {
    "01_cma_es_toy": {"search": lambda data: cma_es_toy.draw_films(data["films"], 20)},
    "05_vizdoom_dream": {"film": lambda data: vizdoom_dream.draw_film(data["film"], data["film"]["poster"])},
    "06_pommerman_prediction": {"game": lambda data: pommerman.draw_film(data["film"], 20)},
    "07_neural_computer_agent": {
        "loop": lambda data: neural_computer_agent.draw_loop(data["loop"], len(data["loop"]) - 1),
        "film": neural_computer_agent_film,
    },
    "08_rnd_pixelcopter": {
        "film": lambda data: rnd_pixelcopter.draw_film(data["film"], 120),
    },
}


def each(drawn):
    return [pytest.param(n, name, id=f"{n[:2]}-{name}") for n, functions in drawn.items() for name in functions]


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


def assert_looks_like(png, file):
    again, stored = pixels(png), pixels(file.read_bytes())
    assert again.shape == stored.shape
    assert np.abs(again - stored).mean() < 1  # of 255: other machines may smooth letters differently


def data_of(notebook):
    return results.read(FIGURES / notebook / "results.json")["data"]


@pytest.mark.parametrize(("notebook", "name"), each(DRAWN))
def test_a_figure_is_redrawn_from_its_results(notebook, name):
    assert_looks_like(to_png(DRAWN[notebook][name](data_of(notebook))), FIGURES / notebook / f"{name}.png")


@pytest.mark.parametrize("notebook", [path.parent.name for path in sorted(FIGURES.glob("*/study"))])
def test_the_studys_figures_are_redrawn_from_its_results(notebook):
    study = FIGURES / notebook / "study"
    data = results.read(study / "results.json")["data"]
    drawn = DRAWN[notebook] | STUDY_ONLY.get(notebook, {})
    pictures = {path.stem for path in study.glob("*.png")} - POSTERS.get(notebook, {}).keys()
    assert pictures and pictures <= drawn.keys()
    for name in pictures:
        assert_looks_like(to_png(drawn[name](data)), study / f"{name}.png")


@pytest.mark.parametrize(("notebook", "name"), each(POSTERS))
def test_a_films_poster_is_a_frame_of_its_results(notebook, name):
    png = to_png(POSTERS[notebook][name](data_of(notebook)), dpi=FILM_DPI)
    assert_looks_like(png, FIGURES / notebook / f"{name}.png")


@pytest.mark.parametrize("notebook", DRAWN)
def test_no_committed_figure_is_left_out(notebook):
    names = {figure["name"] for figure in results.read(FIGURES / notebook / "results.json")["figures"]}
    films = POSTERS.get(notebook, {})
    assert names == {*DRAWN[notebook], *films, *(f"{film}_poster" for film in films)}
    assert {path.stem for path in FIGURES.glob(f"{notebook}/*.png")} == {*DRAWN[notebook], *films}


def test_a_picture_of_other_data_does_not_look_the_same():
    """The limit of `assert_looks_like` is below the smallest change of data that matters."""
    rows = data_of("01_cma_es_toy")["success"]
    other = [row | {"value": 0.5 * row["value"]} for row in rows]
    file = FIGURES / "01_cma_es_toy/success.png"
    with pytest.raises(AssertionError):
        assert_looks_like(to_png(cma_es_toy.draw_success(other[:-1])), file)


def test_the_sliders_pictures_are_drawn():
    data = data_of("02_mixture_density_network")["density"]
    true, model = (np.array(data[name])[data["cut"]] for name in ("true", "model"))
    assert len(to_png(mixture_density.draw_conditional(np.array(data["y"]), true, model, 0.35))) > 5000
