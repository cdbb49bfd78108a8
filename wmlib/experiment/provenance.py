"""Facts about the machine and the code that made a result."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import wmlib
from wmlib.experiment import fingerprint, paths


def versions() -> dict[str, str]:
    """Return the versions that can change a number or a picture: Python, this package, Matplotlib, numerical packages."""
    own = {"wmlib": wmlib.__version__, "matplotlib": metadata.version("matplotlib")}
    return {"python": platform.python_version(), **own, **fingerprint.versions()}


def commit() -> tuple[str | None, bool | None]:
    """Return the git commit of the project and whether the source tree differs from it; None where git cannot tell.

    `figures/` and `README.md`, whose claims table is made from them, are left out: a run that redraws them would otherwise call
    itself dirty. A repository that only surrounds the project's folder knows nothing about it.
    """
    git = ["git", "--no-optional-locks", "-C", str(paths.root())]
    # a hook that starts a run names its own repository by these
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}

    def answer(*arguments: str) -> bytes:
        return subprocess.run([*git, *arguments], capture_output=True, check=True, timeout=20, env=environment).stdout

    try:
        if answer("rev-parse", "--show-prefix").strip():  # where the project lies in its repository
            return None, None
        head = answer("rev-parse", "--verify", "HEAD").decode("ascii").strip()
        changes = answer("status", "--porcelain", "--untracked-files=normal", "--", ".", ":!figures", ":!README.md")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head, bool(changes.strip())


def machine() -> str:
    """Return operating system, processor and core count in a line."""
    return f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} cores"


def processor() -> str:
    """Return the processor's name: Linux and macOS know it, elsewhere it is what Python says."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        name = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), flags=re.MULTILINE)
    else:
        sysctl = shutil.which("sysctl")
        asked = sysctl and subprocess.run(
            [sysctl, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        name = re.search(r"^(.+)$", asked.stdout if asked else "", flags=re.MULTILINE)
    return name[1].strip() if name else platform.processor() or "processor unknown"
