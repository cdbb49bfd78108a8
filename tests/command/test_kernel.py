"""The kernel is ours whatever others are installed, and ends with its parent."""

import os
import subprocess
import sys

from wmlib.command import kernel


def test_any_name_means_this_python_and_this_module():
    spec = kernel.OwnKernel().get_kernel_spec("julia")
    assert spec.argv == [sys.executable, "-P", "-m", "wmlib.command.kernel", "-f", "{connection_file}", "--quiet"]


CODE = """
import os, time
from wmlib.command import kernel
def launch():
    print(os.get_inheritable(int(os.environ["HELD"])), "JPY_PARENT_PID" in os.environ, flush=True)
    time.sleep(100)
kernel.main(launch)
"""


def test_it_hands_no_lock_on_and_ends_with_its_parent_and_its_group(tmp_path):
    held = os.open(tmp_path, os.O_RDONLY)
    # the parent's number is not its parent's: it has ended
    environment = os.environ | {"JPY_PARENT_PID": str(os.getppid()), "HELD": str(held)}
    command = [sys.executable, "-c", CODE]
    options = {"pass_fds": [held], "env": environment, "start_new_session": True}
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    os.close(held)
    # IPython's own watch, which would end the kernel alone, is off
    assert process.returncode != 0 and process.stdout in ("", "False False\n")
