"""Where parallel work is done: in processes of this machine, or on the workers of a Dask cluster.

Reading guide. Everything parallel goes through joblib. `use` tells joblib, for the rest of a process, where its tasks go; a
`Run` calls it with what `./run_all.sh --backend dask --scheduler ADDRESS` asked for. Results do not depend on it: a task's
random numbers come from its own number.
"""

import asyncio
import os
import threading
from concurrent.futures import Future
from typing import Any

from joblib import parallel_config

from wmlib.experiment import settings
from wmlib.experiment.processes import end_with_parent
from wmlib.experiment.settings import SettingError

BACKENDS = ("loky", "dask")
SECONDS = 20  # to reach a scheduler
_used: tuple | None = None  # what this process uses, its client with it


def use(backend: str, scheduler: str | None = None) -> None:
    """Send all parallel work of this process to a backend.

    Args:
        backend: "loky", processes of this machine, or "dask".
        scheduler: address of a running `dask-scheduler`, for example "tcp://127.0.0.1:8786". Its workers must have this
            package and see the same files under the same names.

    Raises:
        SettingError: another word; an address without Dask or Dask without one; Dask not installed; no scheduler there.
    """
    global _used
    settings.choose("backend", backend, BACKENDS)
    if (backend == "dask") != (scheduler is not None):
        raise SettingError("backend, scheduler: --backend dask and --scheduler ADDRESS (such as tcp://host:8786) go together")
    if _used is not None and _used[:2] == (backend, scheduler):
        return
    client = None if scheduler is None else _client(scheduler)
    if _used is not None and _used[2] is not None:
        _used[2].close()
    # joblib's workers would wait for work for minutes after this process was killed, or for ever
    parallel_config(backend=backend, **({"initializer": end_with_parent, "initargs": (os.getpid(),)} if client is None else {}))
    _used = (backend, scheduler, client)


def use_what_was_asked() -> str:
    """Use what the command line left in the environment, `WMLIB_BACKEND` and `WMLIB_SCHEDULER`; return the backend."""
    backend = os.environ.get("WMLIB_BACKEND", "loky")
    use(backend, os.environ.get("WMLIB_SCHEDULER"))
    return backend


def _client(scheduler: str) -> Any:
    try:
        from distributed import Client
        from distributed.core import rpc
    except ImportError as error:
        raise SettingError(f"backend: dask cannot be used ({error}); run: pip install -e '.[cluster]'") from error

    async def ask() -> dict:
        async with rpc(scheduler) as remote:
            return await asyncio.wait_for(remote.identity(), SECONDS)

    def answer() -> None:
        try:
            answers.set_result(asyncio.run(ask()))
        except BaseException as error:
            answers.set_exception(error)

    # Client would wait for minutes for somebody who listens and never answers; in a thread, as a kernel has a loop of its own
    answers: Future[dict] = Future()
    threading.Thread(target=answer, daemon=True).start()
    remedy = "start one (dask scheduler) and give the address that it prints, such as tcp://host:8786"
    try:
        identity = answers.result(SECONDS + 1)
    except OSError as error:  # a timeout too
        raise SettingError(f"scheduler: nobody answers at {scheduler} within {SECONDS} s; {remedy}") from error
    except Exception as error:  # a word that is no address, a stranger's answer: distributed fails in many ways
        reason = f"{type(error).__name__}: {error}"
        raise SettingError(f"scheduler: got {scheduler!r}, which cannot be asked ({reason}); {remedy}") from error
    if identity.get("type") != "Scheduler":
        raise SettingError(f"scheduler: got {scheduler!r}, where a {identity.get('type')} answers and no scheduler; {remedy}")
    try:
        return Client(scheduler, timeout=SECONDS)
    except Exception as error:  # it went away, or speaks another version
        raise SettingError(f"scheduler: {scheduler} answers, but cannot be used ({error}); {remedy}") from error
