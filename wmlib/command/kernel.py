"""The kernel that executes a notebook for the command line: IPython's own, which ends with the process that started it.

Started by the worker, as `python -P -m wmlib.command.kernel -f CONNECTION_FILE`, and by nobody else. By `-P` no file beside the
notebooks is taken for a module of Python's; that it is named here, and not looked for, makes it the kernel of this Python
whatever others are installed.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from wmlib.experiment.processes import end_group, end_with_parent


class OwnKernel(KernelSpecManager):
    """Knows one kernel, this module, by whatever name."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return how it is started."""
        # quiet: it would else print how to connect to it, as one without a parent known to IPython does
        argv = [sys.executable, "-P", "-m", __name__, "-f", "{connection_file}", "--quiet"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def main(launch: Callable[[], object]) -> None:
    """Serve until the parent, which jupyter_client names in the environment, asks for the end or has ended."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # the locks that this process was given are not for what it starts
            os.set_inheritable(int(name), int(name) < 3)
    # with its group: what the cells have started. IPython's own watch would end this process alone, and so comes off
    end_with_parent(int(os.environ.pop("JPY_PARENT_PID")), last=lambda: end_group(os.getpid(), 1.0))
    launch()


def _launch() -> None:
    from ipykernel.kernelapp import launch_new_instance  # reads the environment as it is imported

    launch_new_instance()


if __name__ == "__main__":
    main(_launch)
