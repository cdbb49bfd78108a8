"""The process that executes one notebook: papermill with an engine that reports cells, progress lines and the kernel's pid."""

import logging
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

START_TIMEOUT = 120  # seconds for a kernel to answer for the first time


def execute(source: Path, target: Path, parameters: dict[str, Any], cell_timeout: int, runtime: str, pipe: Connection) -> None:
    """Execute a notebook with parameters and write the executed copy; never raises, the last message says how it went.

    Messages, in order: ("kernel", pid), then any number of ("cell", index, count) and ("line", text), and at last one of
    ("ok",), ("failed", text): a cell raised an error, ("died", text): the kernel died or did not answer in time.

    Args:
        source: the notebook.
        target: the executed copy; written after each cell.
        parameters: by name, injected behind the parameters cell.
        cell_timeout: seconds that one cell may take.
        runtime: a private folder with a short name for the kernel's sockets.
        pipe: takes the messages.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the runner, which decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # for what this process starts
    os.environ["IPYTHONDIR"] = f"{runtime}/ipython"  # a notebook must not depend on what the user starts IPython with
    os.environ.pop("PYTHONSTARTUP", None)
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    try:
        import nbformat
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill import execute_notebook
        from papermill.exceptions import PapermillExecutionError

        engine = _register_engine(pipe, runtime)
    except ImportError as error:
        pipe.send(("failed", f"notebooks need a package that is missing or broken: {error}"))
        return
    try:
        nbformat.validate(nbformat.read(source, as_version=4))
    except Exception as error:  # nbformat's own, or Python's where it does not look
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        pipe.send(("failed", f"{source} is no notebook that can be read ({reason}); get it back by: git checkout {source}"))
        return
    try:
        execute_notebook(
            _without_templates(source),
            _without_templates(target),
            parameters,
            engine_name=engine,
            kernel_name="python3",
            progress_bar=False,
            start_timeout=START_TIMEOUT,
            execution_timeout=cell_timeout,
            cwd=source.parent,
        )
    except PapermillExecutionError as error:
        number = error.cell_index  # counted from 1 in the source: the executed copy has one cell more, the injected parameters
        pipe.send(("failed", f"cell {number} of {source.name}:\n\n{error.source}\n\n{error.ename}: {error.evalue}"))
    except CellTimeoutError:
        pipe.send(("died", f"a cell gave no answer for {cell_timeout:g} s (more time: --cell-timeout SECONDS)"))
    except (DeadKernelError, RuntimeError) as error:
        pipe.send(("died", f"the kernel died or did not answer: {error}"))
    except Exception as error:
        pipe.send(("failed", f"{source.name} could not be executed: {type(error).__name__}: {error}"))
    else:
        pipe.send(("ok",))


def _without_templates(path: Path) -> str:
    """Return a path as papermill wants it, which fills in what stands between braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _register_engine(pipe: Connection, runtime: str) -> str:
    """Register a papermill engine that reports over the pipe, and return its name."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    from wmlib.experiment.progress import PROGRESS_KEY

    class ReportingClient(PapermillNotebookClient):
        def create_kernel_manager(self) -> Any:
            manager = super().create_kernel_manager()
            manager.kernel_spec_manager.kernel_dirs = []  # the kernel of this Python, whatever else is called python3
            # Unix sockets in our own folder: no TCP port that another process could take or listen to
            manager.transport = "ipc"
            manager.ip = f"{runtime}/kernel"
            manager.connection_file = f"{runtime}/kernel.json"
            return manager

        def start_new_kernel(self, **kwargs: Any) -> None:
            super().start_new_kernel(**kwargs)
            pipe.send(("kernel", self.km.provisioner.pid))

        def process_message(self, msg: dict, cell: Any, cell_index: int) -> Any:
            line = msg["content"].get("metadata", {}).get(PROGRESS_KEY)
            if line:
                pipe.send(("line", line))
            return super().process_message(msg, cell, cell_index)

    class ReportingEngine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
            report = nb_man.cell_start

            def cell_start(cell: Any, cell_index: int, **options: Any) -> None:
                pipe.send(("cell", cell_index + 1, len(nb_man.nb.cells)))
                report(cell, cell_index, **options)

            nb_man.cell_start = cell_start
            timeouts = {"timeout": kwargs["execution_timeout"], "startup_timeout": kwargs["start_timeout"]}
            return ReportingClient(nb_man, kernel_name=kernel_name, **timeouts).execute()

    papermill_engines.register("wmlib", ReportingEngine)
    return "wmlib"
