"""One progress line for loops of over a second, readable wherever it runs.

In a notebook (JupyterLab or papermill) it is a single output that is updated in place, so the executed copy keeps one line
and not a thousand; the runner shows the same line in its live view. In a terminal it is a plain tqdm bar, in a log one line
at most every ten seconds.
"""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
PROGRESS_KEY = "wmlib_progress"  # marks the output's metadata, so that the runner can pick the line up


class _Line(tqdm):
    """A bar that is shown by `show(text)`, whatever that does."""

    disable: bool

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        self._show(msg if msg is not None else str(self))
        return True

    def _show(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        if not self.disable:
            self.disable = True
            self.display(self.format_meter(**self.format_dict))
            self._decr_instances(self)


class _KernelLine(_Line):
    """A bar inside a Jupyter kernel: one display, updated in place."""

    _handle = None

    def _show(self, text: str) -> None:
        from IPython.display import display

        shown = {"text/plain": text}
        metadata = {PROGRESS_KEY: text}
        if self._handle is None:
            self._handle = display(shown, metadata=metadata, raw=True, display_id=True)
        else:
            self._handle.update(shown, metadata=metadata, raw=True)


def in_kernel() -> bool:
    """Return whether the code runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Yield the items and show how many are done.

    Args:
        items: what to go through.
        label: a few words, for example "success rates".
        total: how many there are, if `len(items)` cannot tell.

    Example:
        >>> sum(progress(range(4), "adding"))
        6
    """
    style = {"desc": label, "total": total, "ascii": False, "dynamic_ncols": False, "ncols": 90}
    if in_kernel():
        yield from _KernelLine(items, mininterval=0.5, **style)
    elif sys.stderr.isatty():
        yield from tqdm(items, **style)
    else:
        yield from _Line(items, mininterval=10, delay=10, **style)
