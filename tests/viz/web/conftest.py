"""JavaScript and a browser for tests; where they are missing, the test is skipped and says what to install.

JavaScript runs in Node where it is installed, else in Chromium.
"""

import contextlib
import json
import shutil
import subprocess

import pytest
import torch

from wmlib.agents import linear_controller
from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.command.screenshot import BrowserMissing, open_browser
from wmlib.models.lstm import LSTM
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel
from wmlib.viz.web import build

IN_NODE = 'console.log(JSON.stringify(main(JSON.parse(require("fs").readFileSync(0)))));'


@pytest.fixture
def javascript(tmp_path):
    """A function that runs `main(value)` of a JavaScript program, with the page's library before it, and returns its result."""

    def run(body, value):
        program = build.script() + body
        node = shutil.which("node")
        if node:
            (tmp_path / "program.js").write_text(program + IN_NODE, encoding="utf-8")
            done = subprocess.run([node, tmp_path / "program.js"], input=json.dumps(value), capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
            return json.loads(done.stdout)
        (tmp_path / "program.html").write_text(f"<script>{program}</script>", encoding="utf-8")
        try:
            with open_browser() as browser:
                browser.get((tmp_path / "program.html").as_uri())
                return browser.execute_script("return main(arguments[0])", value)
        except BrowserMissing as error:
            pytest.skip(f"neither Node (Debian, Ubuntu: apt install nodejs) nor a browser: {error}")

    return run


@contextlib.contextmanager
def opened_or_skipped(calm):
    """A browser, or a skipped test."""
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(open_browser(calm=calm))
        except BrowserMissing as error:
            pytest.skip(str(error))
        yield opened


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window."""
    with opened_or_skipped(calm=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def calm_browser():
    """A Chromium without a window, for readers who asked their system for less motion."""
    with opened_or_skipped(calm=True) as opened:
        yield opened


@pytest.fixture
def lstm_agent():
    """An agent with an LSTM, of random weights: none is published."""
    rng = torch.Generator().manual_seed(0)
    model = WorldModel(LSTM(66, 48, generator=rng), 64, generator=rng)
    vae = VAE(generator=rng, channels=3)
    size = linear_controller.num_features(model, ("z", "h", "c"))
    actions = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    return WorldModelsAgent(vae, model, 0.3 * torch.randn(size, generator=rng), ("z", "h", "c"), actions)
