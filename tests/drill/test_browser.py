"""In a browser: no picture is broken and no link is dead, in JupyterLab as `./run_all.sh lab` starts it, nor in the gallery."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from wmlib.command import runner
from wmlib.command.gallery import build_gallery
from wmlib.command.screenshot import BrowserMissing, open_browser
from wmlib.experiment import paths

pytestmark = [pytest.mark.slow, pytest.mark.kind("in a browser")]

NOTEBOOKS = runner.available()
PATIENCE = 60.0  # seconds until a page must be there
PICTURES = "return [...document.querySelectorAll(arguments[0] + ' img')]"
LINKS = "return [...document.querySelectorAll(arguments[0] + ' a[href]')].map(link => [link.innerText, link.href])"
# JupyterLab keeps the ids of headings under another name
ANCHORS = "return [...document.querySelectorAll('[id], [data-jupyter-id]')].map(tag => tag.dataset.jupyterId || tag.id)"
FETCH = "fetch(arguments[0]).then(answer => arguments[1](answer.status), () => arguments[1](0))"
WHOLE_NOTEBOOKS = '{"windowingMode": "none"}'  # draw cells out of sight, too


@pytest.fixture(scope="module")
def browser():
    """A Chromium without a window, driven by Selenium."""
    try:
        with open_browser((1400, 1000)) as opened:
            yield opened
    except BrowserMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that `wmlib lab` serves, with settings and workspaces of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    settings = home / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(WHOLE_NOTEBOOKS)
    kinds = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    folders = {f"JUPYTER_{kind}": str(home / kind) for kind in kinds}
    folders |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "wmlib", "lab", "--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    command += ["--IdentityProvider.token=", "--allow-root"]
    with open(home / "log", "w") as log:
        server = subprocess.Popen(command, cwd=home, env=os.environ | folders, stdout=log, stderr=log)
    try:
        wait(lambda: answers(f"http://127.0.0.1:{port}/api/status"), lambda: (home / "log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(PATIENCE)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A gallery of the notebooks as they are committed, with the committed results."""
    return build_gallery(paths.notebooks(), paths.root() / "figures", tmp_path_factory.mktemp("built") / "gallery").parent


def wait(condition, told):
    """Wait until a condition holds; `told` says what to show if it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not there after {PATIENCE:.0f} s: {told()}"
        time.sleep(0.2)


def answers(address):
    """Whether a server is there."""
    try:
        return urllib.request.urlopen(address, timeout=10).status == 200
    except OSError:
        return False


def broken_pictures(browser, within):
    """The addresses of all pictures that a browser has given up on."""
    browser.execute_script(f"{PICTURES}.forEach(picture => picture.loading = 'eager')", within)
    wait(lambda: browser.execute_script(f"{PICTURES}.every(picture => picture.complete)", within), lambda: "pictures")
    return browser.execute_script(f"{PICTURES}.filter(picture => !picture.naturalWidth).map(picture => picture.src)", within)


def dead_links(browser, within, there):
    """Text and address of the links that lead nowhere; those of the network are not tried."""
    here = browser.current_url.partition("#")[0]
    anchors = {*browser.execute_script(ANCHORS), ""}

    def leads(address):
        file, _, fragment = address.partition("#")
        if file == here:
            return unquote(fragment) in anchors
        return urlsplit(file)[:2] != urlsplit(here)[:2] or there(file)

    return [(text, address) for text, address in browser.execute_script(LINKS, within) if not leads(address)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_notebook_in_jupyterlab(drill, browser, lab, name):
    notebook = ".jp-NotebookPanel"
    browser.get(f"{lab}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb")
    drawn = f"{notebook} .jp-MarkdownCell .jp-RenderedMarkdown"
    cells = "return [...document.querySelectorAll(arguments[0])].length"
    source = nbformat.read(paths.notebooks() / f"{name}.ipynb", as_version=4)
    texts = sum(cell.cell_type == "markdown" for cell in source.cells)
    wait(lambda: browser.execute_script(cells, drawn) == texts, lambda: f"{texts} texts of {name}: {browser.title}")
    wait(lambda: browser.execute_script(f"{PICTURES}.length", notebook), lambda: f"a picture in {name}")
    drill.good(broken_pictures(browser, notebook) == [], f"{name}: {broken_pictures(browser, notebook)}")
    dead = dead_links(browser, notebook, lambda address: browser.execute_async_script(FETCH, address) == 200)
    drill.good(dead == [], f"{name}: {dead}")


def test_jupyterlab_opens_where_the_notebooks_are(drill, browser, lab):
    browser.get(lab)
    listed = "return [...document.querySelectorAll('.jp-DirListing-itemName')].map(item => item.innerText)"
    names = {f"{name}.ipynb" for name in NOTEBOOKS}
    wait(
        lambda: names <= set(browser.execute_script(listed)), lambda: f"{browser.current_url}: {browser.execute_script(listed)}"
    )
    drill.good("Cannot open" not in browser.page_source, browser.current_url)


@pytest.mark.parametrize("page", ["index", *NOTEBOOKS])
def test_every_page_of_the_gallery(drill, browser, gallery, page):
    browser.get((gallery / f"{page}.html").as_uri())
    drill.good(broken_pictures(browser, "body") == [], f"{page}: {broken_pictures(browser, 'body')}")
    dead = dead_links(browser, "body", lambda address: Path(unquote(urlsplit(address).path)).is_file())
    drill.good(dead == [], f"{page}: {dead}")


def test_the_count_sees_what_is_broken(browser, tmp_path):
    """So that zero means none."""
    page = tmp_path / "a page.html"
    links = '<a href="gone.html">gone</a><a href="#gone">nowhere</a><a href="#id">here</a><b id="id">'
    page.write_text('<img src="gone.png">' + links)
    browser.get(page.as_uri())
    assert len(broken_pictures(browser, "body")) == 1
    assert [text for text, _ in dead_links(browser, "body", lambda address: False)] == ["gone", "nowhere"]
