"""The process that executes one notebook: papermill with an engine that reports cells, progress lines and the kernel's pid.

Run as `python -P -m wmlib.command.worker FILE_NUMBER`; the number is that of a pipe to the runner, from which the arguments of
`execute` come and to which its messages go. The worker leads a session of its own, so no signal to the runner's process group
reaches it: it ends when the pipe does, in whatever way the runner ended, and ends the kernel before.
"""

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from wmlib.experiment import processes
from wmlib.experiment.atomic import write_atomically

START_TIMEOUT = 120  # seconds for a kernel to answer for the first time
GRACE = 5.0  # seconds for a kernel to put its things in order
# errors that say no more than that a process of the cell's was killed, as by a machine that is short of memory
KILLED = ("TerminatedWorkerError", "BrokenProcessPool")


def execute(
    source: Path,
    executed: Path,
    parameters: dict[str, Any],
    cell_timeout: int,
    runtime: Path,
    pipe: Connection,
    inherited: tuple[int, ...] = (),
) -> None:
    """Execute a notebook with parameters and write the executed copy; never raises, the last message says how it went.

    Messages, in order: ("kernel", pid), then any number of ("cell", index, count) and ("line", text), and at last one of
    ("ok",), ("failed", text): a cell raised an error, ("died", text): the kernel died or did not answer in time. After the
    last one the kernel and all that it started have ended.

    Args:
        source: the notebook.
        executed: the executed copy; written at the end, if the kernel lived as long.
        parameters: by name, injected behind the parameters cell.
        cell_timeout: seconds that one cell may take.
        runtime: a private folder with a short name for the kernel's sockets; removed at the end.
        pipe: takes the messages; when its other end is closed, everything is ended.
        inherited: open files that the kernel is to keep open: locks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides
    kernel = _Kernel(runtime)
    threading.Thread(target=_end_with_pipe, args=(pipe, kernel), daemon=True).start()
    message = _execute(source, executed, parameters, cell_timeout, pipe, inherited, kernel)
    kernel.end()
    with suppress(OSError):
        pipe.send(message)


def _execute(
    source: Path,
    executed: Path,
    parameters: dict[str, Any],
    cell_timeout: int,
    pipe: Connection,
    inherited: tuple[int, ...],
    kernel: "_Kernel",
) -> tuple[str, ...]:
    """Execute a notebook; return the last message."""
    for name in ("papermill", "traitlets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ["IPYTHONDIR"] = f"{kernel.runtime}/ipython"  # a notebook must not depend on what the user starts IPython with
    os.environ.pop("PYTHONSTARTUP", None)
    try:
        import nbformat
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from papermill import execute_notebook
        from papermill.exceptions import PapermillExecutionError
        from papermill.iorw import papermill_io

        engine = _register_engine(pipe, kernel, inherited)
    except ImportError as error:
        return "failed", f"notebooks need a package that is missing or broken: {error}"
    try:
        nbformat.validate(nbformat.read(source, as_version=4))
    except Exception as error:  # nbformat's own, or Python's where it does not look
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return "failed", f"{source} is no notebook that can be read ({reason}); get it back by: git checkout {source}"

    copy = _Copy(kernel)
    papermill_io.register(str(executed), copy)
    try:
        execute_notebook(
            _literal(source),
            _literal(executed),
            parameters,
            engine_name=engine,
            request_save_on_cell_execute=False,
            kernel_name="python3",
            progress_bar=False,
            start_timeout=START_TIMEOUT,
            execution_timeout=cell_timeout,
            cwd=source.parent,
        )
    except PapermillExecutionError as error:
        number = error.cell_index  # counted from 1 in the source: the executed copy has one cell more, the injected parameters
        texts = [f"cell {number} of {source.name}:", error.source, f"{error.ename}: {error.evalue}"]
        return ("died" if error.ename in KILLED else "failed"), "\n\n".join(texts + copy.faults)
    except CellTimeoutError:
        return "died", f"a cell gave no answer for {cell_timeout:g} s (more time: --cell-timeout SECONDS)"
    except (DeadKernelError, RuntimeError) as error:
        return "died", f"the kernel died or did not answer: {error}"
    except Exception as error:  # no notebook, no space for the kernel's files, ...
        return "failed", f"{source.name} could not be executed: {type(error).__name__}: {error}"
    return ("failed", *copy.faults) if copy.faults else ("ok",)


def _literal(path: Path) -> str:
    """Return a path as papermill reads it, which replaces what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


class _Copy:
    """Writes the executed copy for papermill, whole or not at all.

    Attributes:
        faults: why it could not be written, or nothing.
    """

    def __init__(self, kernel: "_Kernel") -> None:
        self.faults: list[str] = []
        self._kernel = kernel

    def write(self, text: str, path: str) -> None:
        if self._kernel.ending:  # stopped: an older copy stays
            return
        try:
            write_atomically(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))
        except OSError as error:
            self.faults = [f"the executed copy was not written: {error}"]

    def pretty_path(self, path: str) -> str:
        return path


class _Kernel:
    """The kernel of this worker, and the end of it: once, whoever of two threads is first.

    Args:
        runtime: the folder of its sockets.
    """

    def __init__(self, runtime: Path) -> None:
        self.ending = False
        self.runtime = runtime
        self._pid: int | None = None
        self._lock = threading.Lock()

    def started(self, pid: int) -> None:
        """Note its process id, here and, for those who sweep, in the folder."""
        self._pid = pid
        (self.runtime / processes.BELONGS).write_text(f"sem.loky-{pid}-*\njoblib_memmapping_folder_{pid}_*\n")

    def end(self) -> None:
        """End it with its group, and remove its folder."""
        with self._lock:
            if self._pid is not None:
                processes.end_group(self._pid, GRACE)
            processes.remove(self.runtime)


def _end_with_pipe(pipe: Connection, kernel: _Kernel) -> None:
    """Wait for the other end of the pipe to be closed, then end everything."""
    wait([pipe])  # nothing is ever sent
    kernel.ending = True
    kernel.end()
    os._exit(1)


def _register_engine(pipe: Connection, kernel: _Kernel, inherited: tuple[int, ...]) -> str:
    """Register a papermill engine that reports over the pipe, and return its name."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    from wmlib.command.kernel import OwnKernel
    from wmlib.experiment.progress import PROGRESS_KEY

    class ReportingClient(PapermillNotebookClient):
        def create_kernel_manager(self) -> Any:
            manager = super().create_kernel_manager()
            manager.kernel_spec_manager = OwnKernel()
            # Unix sockets in our own folder: no TCP port that another process could take or listen to
            manager.transport = "ipc"
            manager.ip = f"{kernel.runtime}/kernel"
            manager.connection_file = f"{kernel.runtime}/kernel.json"
            return manager

        def start_new_kernel(self, **kwargs: Any) -> None:
            super().start_new_kernel(**kwargs, pass_fds=inherited)
            kernel.started(self.km.provisioner.pid)
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


def main(pipe: Connection) -> None:
    """Take the arguments from the pipe and execute."""
    with suppress(EOFError):  # the runner has ended
        arguments = pipe.recv()
        execute(**arguments, pipe=pipe)


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
