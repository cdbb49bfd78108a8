"""`python -m wmlib`: the command line, see `wmlib.command.cli`."""

import os
import sys


def start() -> int:
    """Run the command that was typed; return the exit status."""
    from wmlib.command.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    # a queue.py in the caller's folder must not be taken for Python's own, here and in the processes that this one starts
    if not sys.flags.safe_path:
        sys.path.append(sys.path.pop(0))
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        from wmlib.command.boundary import exit_status

        status = exit_status(start)
    except KeyboardInterrupt:
        print("wmlib: stopped", file=sys.stderr)
        status = 130
    sys.exit(status)
