"""The drill: what happens when something goes wrong, tried by the hundred and counted by kind.

A test of the drill names its kind by `pytestmark = [pytest.mark.slow, pytest.mark.kind("...")]` (or a mark of its own) and says
through the fixture `drill` what it tried. An outcome is one of

- clear: refused with one error that names what was given and what to do, or gone on with the right result;
- poor: refused, but not in words that help;
- bad: taken without a word, a wrong number, a crash, lost work, a process or a file left behind.

Only clear passes. The table at the end counts them: `./run_all.sh test tests/drill -m slow`.
"""

import collections
import shutil
import subprocess

import pytest

OUTCOMES = ("clear", "poor", "bad")
MOST_CHARACTERS = 600  # of an error that is read


class Drill:
    """What one test of the drill tried."""

    def __init__(self, kind, record):
        self.kind = kind
        self._record = record

    def refused(self, call, *names, error=(ValueError, TypeError, RuntimeError, OSError)):
        """Try a call that must raise an error of these classes with all these words in it; return the error."""
        try:
            result = call()
        except error as raised:
            missing = [name for name in names if str(name) not in str(raised)]
            long = len(str(raised)) > MOST_CHARACTERS
            self._note(
                "poor" if missing or long else "clear", f"{raised!r} does not name {missing}" if missing else repr(raised)
            )
            return raised
        except Exception as raised:
            self._note("poor", f"an error of another class: {raised!r}")
        self._note("bad", f"taken without a word: {result!r}")

    def refused_at_the_command_line(self, completed, *names, status=2):
        """Judge a finished process (text captured): one line on stderr with all these words, and this exit status."""
        lines = completed.stderr.strip().splitlines()
        text = f"status {completed.returncode}, stderr: {completed.stderr[-2000:]!r}, stdout: {completed.stdout[-1000:]!r}"
        if completed.returncode == 0 or completed.returncode < 0:
            self._note("bad", text)
        clear = completed.returncode == status and len(lines) == 1 and all(str(name) in lines[0] for name in names)
        self._note("clear" if clear else "poor", text)

    def good(self, condition, what):
        """Say whether all went as it should: the same numbers, nothing lost, nothing left behind."""
        self._note("clear" if condition else "bad", what)

    def _note(self, outcome, text):
        self._record("drill", f"{self.kind}|{outcome}")
        assert outcome == "clear", f"{outcome}: {text}"


@pytest.fixture
def drill(request, record_property):
    """Say through it what was tried: `drill.refused(call, *names)`, `.refused_at_the_command_line(...)`, `.good(...)`."""
    return Drill(request.node.get_closest_marker("kind").args[0], record_property)


@pytest.fixture(scope="session")
def own_mounts():
    """The command behind which a process has mounts of its own, as root or, where that is allowed, as if it were."""
    unshare = shutil.which("unshare")  # of Linux
    for options in ("-m", "-rm"):
        command = [unshare, options]
        if unshare and not subprocess.run([*command, "mount", "--bind", "/tmp", "/tmp"], capture_output=True).returncode:
            return command
    pytest.skip("no mounts of one's own: that needs Linux, and root or user namespaces")


def pytest_terminal_summary(terminalreporter):
    """Print how many trials of each kind there were, and how they went."""
    counts = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                counts.update(value for name, value in report.user_properties if name == "drill")
    if not counts:
        return
    terminalreporter.section("drill")
    kinds = sorted({key.partition("|")[0] for key in counts})
    for kind in [*kinds, "all"]:
        row = [
            sum(n for key, n in counts.items() if kind in (key.partition("|")[0], "all") and key.endswith(o)) for o in OUTCOMES
        ]
        told = ", ".join(f"{n} {outcome}" for n, outcome in zip(row, OUTCOMES, strict=True))
        terminalreporter.write_line(f"{kind:40} {sum(row):5} tried: {told}")
