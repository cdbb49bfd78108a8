"""The processes between us and the engine: one starts it, and one sees to it that nothing stays when we are gone.

`process.py` hands this source to a Python of its own, without shell and without site-packages, and appends a call of `main`;
nobody imports it for its functions. It runs twice. First with the argument --test: it says "ready" and leaves the *watcher*
behind, which waits for the end of the pipe `alive`. Then as the *launcher*, the executable that vizdoom starts. It speaks to us
over the socket `line`: "running LAUNCHER ENGINE" (process ids) once the engine runs, and "ended WHY" when it does no longer.
Then it waits until it is told that the start is over, for vizdoom 1.3.2 takes our whole process down by a segmentation fault if
what it has started ends before its first answer.
"""

import os
import signal
import sys

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # not for these processes: they end when we are gone


def main(engine: bytes, folder: bytes, alive: int, line: int) -> None:
    """Be the watcher or the launcher; does not return.

    Args:
        engine: path of the engine.
        folder: where it runs, so that whatever it writes is removed with this folder.
        alive, line: file descriptors, 3 or above; the watcher has the first, the launcher the second.
    """
    if sys.argv[1:] == ["--test"]:
        _watch(folder, alive)
        os.write(1, b"ready")
        os._exit(0)
    try:
        why = _launch(engine, folder, line)
    except OSError as error:
        why = f"it cannot be run ({error.strerror})"
    except BaseException as error:
        why = repr(error)
    os.write(line, f"ended {why}".encode())
    os.read(line, 1)
    os._exit(0)


def _launch(engine: bytes, folder: bytes, line: int) -> str:
    """Run the engine with the arguments of this process; return how it ended."""
    _leave()
    os.chdir(folder)
    output = os.open(b"output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target in (1, 2):
        os.dup2(output, target)
    instance = sys.argv[sys.argv.index("+viz_instance_id") + 1]
    with open("launcher", "w") as file:
        file.write(f"{os.getpid()} {instance}")
    with open("belongs", "w") as file:  # for `wmlib.experiment.processes.sweep`, should the watcher be killed too
        file.write(f"ViZDoom*{instance}\n")
    os.write(line, b"here\n")  # fails, and nothing is started, if we are gone: the watcher may have looked already
    os.set_inheritable(line, False)
    words = [engine, *map(os.fsencode, sys.argv[1:])]
    process = os.posix_spawn(engine, words, os.environb, setsigdef=ENDS, setsigmask=())
    os.write(line, f"running {os.getpid()} {process}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return f"exit status {status}" if status >= 0 else f"signal {-status}"


def _watch(folder: bytes, alive: int) -> None:
    """Leave a process behind that ends the engine, and removes what is left of it, as soon as we are gone.

    It is nobody's child and in nobody's group, so that whoever ends us with all our children, as joblib does after a fault,
    leaves it to its work.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    _leave()
    if os.fork():
        os._exit(0)
    if not os.read(alive, 1):
        import glob
        import shutil

        try:
            with open(os.path.join(folder, b"launcher")) as file:
                launcher, instance = file.read().split()
            os.killpg(int(launcher), signal.SIGKILL)  # the engine is in its group
            for left in glob.glob(f"/dev/shm/ViZDoom*{instance}"):
                os.unlink(left)
        except (OSError, ValueError):
            pass  # it was not yet started, or has ended
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _leave() -> None:
    """Leave our group and our standard streams.

    Not our session: Linux shares the processors out by session, and then the engine answers half as fast.
    """
    os.setpgid(0, 0)
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for target in (0, 1, 2):
        os.dup2(null, target)
