"""The process that executes one notebook: what it reports over its pipe, in which order."""

import json
import multiprocessing
import tempfile
from pathlib import Path

import nbformat
import pytest

from wmlib.command.worker import execute


@pytest.fixture
def run(project, tmp_path):
    """Execute a notebook of these cells in a worker; return its messages."""

    def call(*cells, parameters=None, cell_timeout=60, name="01_good"):
        if cells:
            project.notebook(name, *cells)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        with tempfile.TemporaryDirectory(prefix="wmlib-", dir="/tmp") as runtime:
            source = project.path / "notebooks" / f"{name}.ipynb"
            arguments = (source, tmp_path / "executed.ipynb", parameters or {}, cell_timeout, Path(runtime), theirs)
            process = context.Process(target=execute, args=arguments)
            process.start()
            theirs.close()
            messages = []
            while not messages or messages[-1][0] in ("kernel", "cell", "line"):
                assert ours.poll(100), "no message"
                messages.append(ours.recv())
            process.join(30)
        assert process.exitcode == 0
        return messages

    return call


def test_a_good_notebook_reports_its_kernel_cells_and_lines(run, tmp_path):
    cell = "import json, os\nfrom ipykernel import get_connection_file\n"
    cell += "from wmlib.experiment.progress import progress\nfor i in progress(range(2), 'counting'): pass\n"
    cell += "print(json.dumps([os.getpid(), os.getcwd(), seed, json.load(open(get_connection_file()))['transport']]))"
    first, *between, last = run(cell, parameters={"seed": 5})
    assert first[0] == "kernel" and last == ("ok",)
    cells = [message for message in between if message[0] == "cell"]
    assert cells == [("cell", number, 4) for number in (1, 2, 3, 4)]  # title, parameters, the injected values, one cell
    lines = [message[1] for message in between if message[0] == "line"]
    assert "counting" in lines[-1] and "2/2" in lines[-1]
    nb = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    (text,) = (output.text for cell in nb.cells for output in cell.get("outputs", []) if output.output_type == "stream")
    assert json.loads(text) == [first[1], str(tmp_path / "notebooks"), 5, "ipc"]  # no TCP port


def test_an_error_is_reported_with_its_cell_and_the_copy_is_kept(run, tmp_path):
    messages = run("x = 6", "raise KeyError(x)", "print('never')", parameters={"seed": 5})
    kind, text = messages[-1]
    assert kind == "failed" and text.startswith("cell 4 of 01_good.ipynb:\n\nraise KeyError(x)\n\nKeyError: 6")
    executed = (tmp_path / "executed.ipynb").read_text()
    assert "KeyError" in executed and ("cell", 6, 6) not in messages and ("cell", 5, 6) in messages


def test_a_cell_that_takes_too_long_is_reported_as_died(run):
    kind, text = run("import time; time.sleep(1000)", cell_timeout=1)[-1]
    assert kind == "died" and text == "a cell gave no answer for 1 s (more time: --cell-timeout SECONDS)"


def test_a_file_that_is_no_notebook_is_reported(run, project):
    (project.path / "notebooks/02_other.ipynb").write_text("{")
    ((kind, text),) = run(name="02_other")
    assert kind == "failed" and "02_other.ipynb is no notebook that can be read (" in text and "git checkout" in text
