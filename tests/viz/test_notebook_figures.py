"""The committed figures are functions of the committed results: drawn again, they look the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wmlib.experiment import results
from wmlib.lessons.cma_es_toy import figures as cma_es_figures
from wmlib.lessons.addition import figures as dnc_figures
from wmlib.lessons.vizdoom_dream import figures as dream_figures
from wmlib.lessons.mixture_density import figures as mdn_figures
from wmlib.viz import memory_inspector
from wmlib.lessons.pommerman import figures as pommerman_figures
from wmlib.lessons.vae import figures as vae_figures
from wmlib.viz.figures import FILM_DPI, to_png

FIGURES = Path(__file__).parents[2] / "figures"
DRAWN = {
    "01_cma_es_toy": {
        "success": lambda d: cma_es_figures.draw_success(d["success"]),
        "ends": lambda d: cma_es_figures.draw_ends(d["ends"]),
        "sweeps": lambda d: cma_es_figures.draw_sweeps(d["sweeps"]),
        "slip": lambda d: cma_es_figures.draw_slip(d["slip"]),
    },
    "02_mixture_density_network": {
        "fits": lambda d: mdn_figures.draw_fits(d["fits"]),
        "components": lambda d: mdn_figures.draw_components(d["components"]),
        "density": lambda d: mdn_figures.draw_density(d["density"]),
        "excess": lambda d: mdn_figures.draw_excess(d["excess"]),
        "public": lambda d: mdn_figures.draw_public(d["public"]),
    },
    "03_dnc_addition_curriculum": {
        name: lambda d, name=name: getattr(dnc_figures, f"draw_{name}")(d[name])
        for name in ("curves", "search", "lengths", "retention", "seeds", "memory", "recall")
    },
    "04_vae": {
        "reconstructions": lambda d: vae_figures.draw_pictures(d["reconstructions"], rings=True),
        "stages": lambda d: vae_figures.draw_pictures(d["stages"]),
        **{
            name: lambda d, name=name: getattr(vae_figures, f"draw_{name}")(d[name])
            for name in ("hits", "training", "kl", "sweep", "latent", "neighbours")
        },
    },
    "05_vizdoom_dream": {
        "strip": lambda d: vae_figures.draw_pictures(d["strip"]),
        "memory": lambda d: memory_inspector.draw_strip(d["memory"]),
        **{
            name: lambda d, name=name: getattr(dream_figures, f"draw_{name}")(d[name])
            for name in ("scores", "evolution", "transfer", "curve", "foresight", "seeing")
        },
    },
    "06_pommerman_prediction": {
        name: lambda d, name=name: getattr(pommerman_figures, f"draw_{name}")(d[name])
        for name in ("scores", "groups", "near", "ahead", "hidden")
    },
}


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)


@pytest.mark.parametrize(("notebook", "name"), [(n, f) for n, figures in DRAWN.items() for f in figures])
def test_a_figure_is_redrawn_from_its_results(notebook, name):
    data = results.read(FIGURES / notebook / "results.json")["data"]
    again = pixels(to_png(DRAWN[notebook][name](data)))
    stored = pixels((FIGURES / notebook / f"{name}.png").read_bytes())
    assert again.shape == stored.shape
    assert np.abs(again - stored).mean() < 1  # of 255: other machines may smooth letters differently


FILMS = {
    "01_cma_es_toy/search": lambda d: cma_es_figures.draw_films(d["films"], 20),
    "05_vizdoom_dream/film": lambda d: dream_figures.draw_film(d["film"], 10),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_films_poster_is_a_frame_of_its_results(name):
    data = results.read(FIGURES / name.split("/")[0] / "results.json")["data"]
    again = pixels(to_png(FILMS[name](data), dpi=FILM_DPI))
    assert np.abs(again - pixels((FIGURES / f"{name}.png").read_bytes())).mean() < 1


def test_the_sliders_pictures_are_drawn():
    data = results.read(FIGURES / "02_mixture_density_network/results.json")["data"]["density"]
    true, model = (np.array(data[k])[data["cut"]] for k in ("true", "model"))
    assert len(to_png(mdn_figures.draw_conditional(np.array(data["y"]), true, model, 0.35))) > 5000


def test_a_share_without_any_event_has_an_interval_with_width():
    counts = {"away": 2, "towards": 2, "counted": 8, "asked": 10, "ball": 1, "patch": 0}
    one = {name: np.full((5, 3), count) for name, count in counts.items()}
    runs = [one | {"tics": np.full((5, 4), 20), "deaths": np.zeros((5, 4))}] * 2
    found = dream_figures.seeing({"agent": runs}, np.random.default_rng(0))
    assert found["changed"]["agent"]["patch"][0] == [0, 0, 3 / 100] and found["danger"]["agent"][3] == [0, 0, 1000 * 3 / 200]
    assert found["changed"]["agent"]["ball"][0][0] == 0.1 and found["dodges"]["agent"][0] == [0, 0, 0]
