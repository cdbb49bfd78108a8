"""The kernel is ours whatever others are installed, and ends with its parent."""

import os
import subprocess
import sys

from wmlib.command import kernel


def test_any_name_means_this_python_and_this_module():
    spec = kernel.OwnKernel().get_kernel_spec("julia")
    assert spec.argv == [sys.executable, "-P", "-m", "wmlib.command.kernel", "-f", "{connection_file}"]


def test_it_hands_no_lock_on_and_ends_with_its_parent(tmp_path):
    code = "import os, time; from wmlib.command import kernel\nkernel.main(lambda: (print(os.get_inheritable(int(os.environ['HELD'])), flush=True), time.sleep(100)))"
    held = os.open(tmp_path, os.O_RDONLY)
    # a parent's number that is not its parent's: it has ended
    environment = os.environ | {"JPY_PARENT_PID": "1" if os.getpid() != 1 else "2", "HELD": str(held)}
    process = subprocess.run(
        [sys.executable, "-c", code], pass_fds=[held], env=environment, capture_output=True, text=True, timeout=60, start_new_session=True
    )
    os.close(held)
    assert process.returncode != 0 and process.stdout in ("", "False\n")
