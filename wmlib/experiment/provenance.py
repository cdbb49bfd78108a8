"""Facts about the machine and the code that made a result."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from wmlib.experiment import fingerprint, paths


def versions() -> dict[str, str]:
    """Return the versions that can change a number or a picture: Python, this package, Matplotlib, numerical packages."""
    own = {name: metadata.version(name) for name in ("wmlib", "matplotlib")}
    return {"python": platform.python_version(), **own, **fingerprint.versions()}


def commit() -> tuple[str | None, bool | None]:
    """Return the git commit of the project and whether the source tree differs from it; None where git cannot tell.

    `figures/` and `README.md`, whose claims table is made from them, are left out: a run that redraws them would otherwise call
    itself dirty.
    """
    try:
        git = ["git", "-C", str(paths.root())]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=20)
        status = [*git, "status", "--porcelain", "--", ".", ":!figures", ":!README.md"]
        dirty = subprocess.run(status, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None, None
    return head.stdout.strip(), bool(dirty.stdout.strip())


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
        asked = sysctl and subprocess.run([sysctl, "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        name = re.search(r"^(.+)$", asked.stdout if asked else "", flags=re.MULTILINE)
    return name[1].strip() if name else platform.processor() or "processor unknown"
