"""The page of the published agents: which are in it, what its foot says, and how a notebook shows it.

Reading guide. `published_page` is the whole page; agents come from a function that is given, `wmlib.weights.load_agent`,
because drawing knows nothing of trained weights. `show_page` writes it and returns a widget that links to it and shows it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.experiment.atomic import write_atomically
from wmlib.viz.web import starts
from wmlib.viz.web.build import build_page

AGENTS = {"large: 512 cells": "controller_dnc_512", "small: 128 cells": "controller"}  # title -> name of the weights
TEMPERATURE = 1.0  # at which dreams begin: the model's own chance
ABOUT = (
    "Two agents of notebook 05, both with a DNC of 16 slots of 16 numbers and two read heads: the large one has the paper's "
    "sizes, the small one is that of the quick run. An LSTM of the same size is not here, because no trained one is published "
    "with the notebooks. Weights are stored in half precision; the page computes in single precision, as PyTorch does."
)


def published_page(load: Callable[[str], WorldModelsAgent]) -> str:
    """Return the page of the published agents as HTML.

    Args:
        load: returns an agent by the name of its controller: `wmlib.weights.load_agent`.
    """
    recorded = starts.read()
    agents = {title: load(name) for title, name in AGENTS.items()}
    begin = {title: recorded["starts"][name] for title, name in AGENTS.items()}
    return build_page(agents, {**begin, "game": recorded["game"]}, TEMPERATURE, ABOUT)


def write_page(file: Path, load: Callable[[str], WorldModelsAgent]) -> Path:
    """Write the page of the published agents into a file, and return it; arguments as for `published_page`."""
    html = published_page(load)
    write_atomically(file, lambda temporary: temporary.write_text(html, encoding="utf-8"))
    return file


def show_page(file: Path, load: Callable[[str], WorldModelsAgent], root: Path) -> Any:
    """Write the page, and return a widget that links to it and shows it where the notebook's server hands out files.

    Args:
        file: where the page goes.
        load: as for `published_page`.
        root: the folder that the server shows, the project's.
    """
    return shown(write_page(file, load), root, "Play in the dream", "A dream to play")


def shown(file: Path, root: Path, words: str, title: str) -> Any:
    """Return a widget that links to a page and shows it where the notebook's server hands out files.

    Args:
        file: the page.
        root: the folder that the server shows, the project's.
        words: of the link.
        title: of the frame, for readers who hear it.
    """
    import ipywidgets

    text = f"The page is in <code>{file}</code>: open it in a browser, it needs no server."
    if not file.is_relative_to(root):
        return ipywidgets.HTML(text)
    address = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/") + "files/" + quote(file.relative_to(root).as_posix())
    link = f'<a href="{address}" target="_blank"><b>{words}</b></a>, in a page of its own. {text}'
    frame = f'<iframe src="{address}" title="{title}" style="width: 100%; height: 46rem; border: 0"></iframe>'
    return ipywidgets.VBox([ipywidgets.HTML(link), ipywidgets.HTML(frame)])
