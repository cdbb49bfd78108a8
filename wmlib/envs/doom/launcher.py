"""The process between us and the engine: it starts the engine and outlives neither it nor us.

`process.py` hands this source to a Python of its own, without shell and without site-packages, and appends a call of `main`;
nobody imports it for its functions. It speaks over two pipes that it inherits:

- `line`: it says "running LAUNCHER ENGINE" (process ids) once the engine runs, and "ended WHY" when it does not any more. Then
  it waits until it is told that the start is over, for vizdoom 1.3.2 takes our whole process down by a segmentation fault if
  what it has started ends before its first answer;
- `alive`: its end means that we are gone.
"""

import os
import signal
import sys


def main(engine: bytes, folder: bytes, alive: int, line: int) -> None:
    """Run the engine with the arguments that this process was given; does not return.

    Args:
        engine: path of the engine.
        folder: where it runs: whatever it writes is removed with this folder.
        alive, line: file descriptors of the pipes, 3 or above.
    """
    if sys.argv[1:] == ["--test"]:
        os.write(1, b"ready")
        os._exit(0)
    try:
        why = _run(engine, folder, alive, line)
    except OSError as error:
        why = f"ended it cannot be run ({error.strerror})"
    except BaseException as error:
        why = f"ended {error!r}"
    os.write(line, why.encode())
    os.read(line, 1)
    os._exit(0)


def _run(engine: bytes, folder: bytes, alive: int, line: int) -> str:
    os.setsid()  # signals to our process group are not for the engine: it ends when we say so
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (alive, line):
        os.set_inheritable(descriptor, False)
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDWR)
    output = os.open(b"output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    _watch(folder, alive, line)
    words = [engine, *map(os.fsencode, sys.argv[1:])]
    process = os.posix_spawn(
        engine, words, os.environb, setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP], setsigmask=[]
    )
    os.write(line, f"running {os.getpid()} {process}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return f"ended exit status {status}" if status >= 0 else f"ended signal {-status}"


def _watch(folder: bytes, alive: int, line: int) -> None:
    """Leave a process behind that ends the engine, and removes what is left of it, as soon as we are gone.

    It is nobody's child and in nobody's group, so that whoever ends us with all our children, as joblib does after a fault,
    leaves it to its work.
    """
    launcher = os.getpid()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.close(line)
    if not os.read(alive, 1):
        import glob
        import shutil

        try:
            os.killpg(launcher, signal.SIGKILL)  # the engine is in its group
        except ProcessLookupError:
            pass
        shutil.rmtree(folder, ignore_errors=True)
        instance = sys.argv[sys.argv.index("+viz_instance_id") + 1]
        for left in glob.glob(f"/dev/shm/ViZDoom*{instance}"):
            os.unlink(left)
    os._exit(0)
