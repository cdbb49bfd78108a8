"""The command line: `python -m wmlib run | list | gallery | claims | cache | web | lab`; `./run_all.sh` is a thin front."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from wmlib.command import boundary, outputs, runner
from wmlib.experiment import backend, paths, results, settings
from wmlib.experiment.atomic import WriteError, naming_the_file
from wmlib.experiment.settings import SettingError
from wmlib.lessons import NEEDS_DOOM
from wmlib.viz.web import DREAM_PAGE, SMALL_PAGE


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise a `SettingError` in place of a usage text."""
        raise SettingError(f"{message} (see ./run_all.sh run --help)")

    def flags(self) -> list[str]:
        """Return the options of this parser and of the commands in it, as they are typed."""
        found = {flag: None for action in self._actions for flag in action.option_strings}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                found.update({flag: None for command in action.choices.values() for flag in command.flags()})
        return list(found)


def parser() -> Parser:
    """Return the parser of all commands; each sets `do`, the function that runs it and returns the exit status."""
    main = Parser(prog="wmlib", description="Run the notebooks, draw their figures, build the gallery.")
    commands = main.add_subparsers(dest="command", required=True)
    common = Parser(add_help=False)
    common.add_argument("--profile", default="quick", help=f"{', '.join(settings.PROFILES)}; default quick")
    common.add_argument("--out", metavar="DIR", help="write everything (notebooks, figures, cache, gallery) under DIR")

    run = commands.add_parser("run", parents=[common], help="execute notebooks and build the gallery")
    run.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="01, 03-05 or a name; none: all")
    run.add_argument("--seed", type=int, default=1, help="every random number comes from it (default 1)")
    run.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    run.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="change one setting")
    run.add_argument("--fresh", action="store_true", help="make every cached stage again")
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at a time (default 1)")
    run.add_argument("--backend", default="loky", help="loky (default): processes of this machine; dask: a cluster")
    run.add_argument("--scheduler", metavar="ADDRESS", help="of the Dask cluster, for example tcp://host:8786")
    run.add_argument("--cell-timeout", type=int, metavar="SECONDS", help="a cell that takes longer counts as hung")
    run.set_defaults(do=command_run)

    overview = commands.add_parser("list", parents=[common], help="show the notebooks, their settings and last results")
    overview.set_defaults(do=command_list)
    gallery = commands.add_parser("gallery", parents=[common], help="build the static site from the executed notebooks")
    gallery.set_defaults(do=command_gallery)
    claims = commands.add_parser("claims", help="write the claims table of README.md from figures/*/results.json")
    claims.add_argument(
        "--check", action="store_true", help="compute all stored claims again from the numbers of the single runs"
    )
    claims.set_defaults(do=command_claims)
    cache = commands.add_parser("cache", parents=[common], help="list what is cached, and what made it")
    cache.add_argument("--prune", action="store_true", help="delete what the current code can no longer use")
    cache.set_defaults(do=command_cache)
    web = commands.add_parser("web", help="write the dreams that anybody can play: HTML files that open from the disk")
    web.add_argument("--page", metavar="FILE", help=f"where to; default build/{DREAM_PAGE}; {SMALL_PAGE} is written beside it")
    web.add_argument("--picture", metavar="FILE", help="also take a picture of it, PNG; needs Chromium and its driver")
    web.add_argument("--record", action="store_true", help="first play the real game anew, for where dreams begin")
    web.set_defaults(do=command_web)
    lab = commands.add_parser("lab", help="open JupyterLab in notebooks/; further arguments go to it")
    lab.set_defaults(do=command_lab)
    return main


def main(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: what follows the program's name; without a command they belong to `run`.

    Returns:
        The exit status: 0, all is well; 1, a notebook failed; 2, the user must correct something, named in one line on stderr;
        130, stopped; 141, nobody reads what it prints.
    """
    return boundary.exit_status(lambda: _command(arguments), paths.OutputError, results.ResultsError, WriteError)


def _command(arguments: list[str]) -> int:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise SettingError("the current folder was deleted; go to another one") from None
    if not arguments or (arguments[0] not in runner.COMMANDS and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    main_parser = parser()
    options, rest = main_parser.parse_known_args(arguments)
    options.rest = rest
    if rest and options.command != "lab":
        raise SettingError(f"unknown option {rest[0]!r}.{settings.nearest(rest[0], main_parser.flags())}")
    if getattr(options, "out", None) is not None:
        paths.redirect(options.out)
    if getattr(options, "profile", None) is not None:
        settings.choose("profile", options.profile, settings.PROFILES)
    return options.do(options)


def command_run(options: argparse.Namespace) -> int:
    """Execute notebooks, show their progress, and build the gallery.

    Raises:
        SettingError: something that was asked for is unknown or not allowed; nothing has started then.
    """
    if options.jobs < 1:
        raise SettingError(f"jobs: got {options.jobs}; allowed is a whole number >= 1")
    backend.use(options.backend, options.scheduler)  # a wrong address is found now, not in a notebook
    os.environ["WMLIB_BACKEND"] = options.backend
    os.environ.pop("WMLIB_SCHEDULER", None)
    if options.scheduler:
        os.environ["WMLIB_SCHEDULER"] = options.scheduler
    parameters = runner.parse_parameters(options.parameters)
    jobs = runner.plan(options.notebooks, options.profile, options.seed, options.device, parameters, options.cell_timeout)
    boundary.check_installed("notebooks", *({"doom"} if any(job.notebook in NEEDS_DOOM for job in jobs) else ()))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process; the parallel parts start processes
    if options.fresh:
        os.environ["WMLIB_FRESH"] = uuid.uuid4().hex

    from rich.console import Console

    from wmlib.command import view

    console = Console(highlight=False)
    try:
        with view.live_view(jobs, console) as changed:
            runner.run(jobs, options.jobs, changed)
    except KeyboardInterrupt:
        view.summary(jobs, console)
        console.print("Stopped. The same command continues from here.")
        return 130
    view.summary(jobs, console)
    if any(job.status == "ok" for job in jobs):
        build_gallery(options.profile)
    return 0 if all(job.status == "ok" for job in jobs) else 1


def build_gallery(profile: str) -> None:
    """Build the static site of a profile and print where it is.

    Raises:
        SettingError: no executed notebooks, or the list of faults in them; or another process builds it and does not end.
    """
    from wmlib.command.gallery import build_gallery as build

    out = paths.output(profile)
    executed = out / "notebooks"
    held = outputs.hold_gallery(out / "gallery", executed) if executed.is_dir() else None
    try:
        with naming_the_file(out / "gallery", only_writes=False):
            inside = "study" if profile == "study" else ""
            index = build(executed, paths.all_figures(profile), out / "gallery", inside, _dreams(executed))
    except ValueError as error:
        reason, *faults = str(error).splitlines()
        for fault in faults:
            print(fault)
        first = f"; the first is {faults[0].strip()}" if faults else ""
        raise SettingError(f"gallery: {reason}{first}") from None
    finally:
        if held is not None:
            os.close(held)
    print(f"gallery: {index}")


def _dreams(executed: Path) -> dict[str, str]:
    """Return the pages that are to be played, HTML, by the notebook that they belong to, of those that were executed."""
    from wmlib import weights
    from wmlib.command.gallery import DREAM, SMALL_DREAMS
    from wmlib.viz.web.published import published_page
    from wmlib.viz.web.small import published_small_page

    pages = {
        DREAM: lambda: published_page(weights.load_agent),
        SMALL_DREAMS: lambda: published_small_page(weights.load, notebook=f"{SMALL_DREAMS}.html"),
    }
    return {name: make() for name, make in pages.items() if (executed / f"{name}.ipynb").is_file()}


def command_gallery(options: argparse.Namespace) -> int:
    """Build the gallery of a profile."""
    build_gallery(options.profile)
    return 0


def command_list(options: argparse.Namespace) -> int:
    """Print the notebooks with their settings and headlines."""
    names = runner.available()
    for name in names:
        print(f"{name}: {paths.title(paths.notebooks() / f'{name}.ipynb')}")
        for setting in settings.read(name).values():
            value = getattr(setting, options.profile)
            print(f"    -p {setting.name}={value}  {setting.doc}; allowed: {setting.allowed()}")
        stored = paths.figures(options.profile, name) / "results.json"
        print(f"    {results.read(stored)['headline']['text'] if stored.exists() else 'not run yet'}")
    others = sorted(path.name for path in paths.notebooks().glob("[0-9][0-9]*.ipynb") if path.stem not in names)
    if others:
        print(f"left out, as profiles.toml knows no such notebook: {', '.join(others)}")
    return 0


def command_claims(options: argparse.Namespace) -> int:
    """Write the claims table into README.md, or compute all claims again from the numbers of the single runs.

    Raises:
        SettingError: README.md has no place for it, or a stored claim is not what its numbers give.
    """
    from wmlib.command.claims import check, write_claims

    try:
        if options.check:
            print(check(paths.root() / "figures"))
        else:
            write_claims(paths.root() / "README.md", paths.root() / "figures")
    except ValueError as error:
        raise SettingError(str(error)) from None
    return 0


def command_cache(options: argparse.Namespace) -> int:
    """Print what is cached, oldest first; with `--prune` delete what the current code can no longer use."""
    from wmlib.experiment import cache

    folder = paths.output(options.profile) / "cache"
    entries = cache.listing(folder)
    stale = {entry.path for entry in cache.stale(entries)}
    for entry in entries:
        state = "stale" if entry.path in stale else "whole" if entry.whole else "unfinished"
        print(f"{entry.path.name}  {_size(entry.bytes)}  {_age(entry.age)}  {state}  {_settings(entry.determined_by)}")
    total = sum(entry.bytes for entry in entries)
    freed = sum(entry.bytes for entry in entries if entry.path in stale)
    print(f"{len(entries)} artifacts, {_size(total)} in {folder}; {len(stale)} of them, {_size(freed)}, are stale")
    if options.prune:
        gone = [entry.bytes for entry in entries if entry.path in stale and cache.remove(entry)]
        busy = (
            f"; {len(stale) - len(gone)} stay: they are being made now, or cannot be deleted" if len(gone) < len(stale) else ""
        )
        print(f"deleted {len(gone)} stale artifacts, {_size(sum(gone))}{busy}")
    return 0


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _age(seconds: float) -> str:
    if seconds < 0:
        return "from the future"  # a clock was set back, or another machine's is ahead
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _settings(determined_by: dict | None) -> str:
    """Return the arguments an artifact was made with, plain ones as they are, others by kind."""
    if determined_by is None:
        return "manifest cannot be read"
    return ", ".join(f"{name}={_value(value)}" for name, value in determined_by["arguments"].items())


def _value(value: Any) -> str:
    """Return one described argument (see `fingerprint.describe`) in a few words."""
    if value is None or _is_plain(value):
        return str(value)
    if isinstance(value, dict) and "fields" in value:
        fields = [f"{name}={field}" for name, field in value["fields"]["mapping"] if _is_plain(field)]
        return f"({', '.join(fields)})"
    if isinstance(value, dict) and "artifact" in value:
        return value["artifact"]
    if isinstance(value, dict) and "function" in value:
        return value["function"].rpartition(".")[2]
    return "…"


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


def command_web(options: argparse.Namespace) -> int:
    """Write the page with the dream, and print where it is.

    Raises:
        SettingError: a file cannot be written, no browser takes the picture, or weights are damaged.
    """
    from wmlib import weights
    from wmlib.command import screenshot
    from wmlib.viz.web import published, small, starts

    page = Path(options.page) if options.page else paths.root() / "build" / DREAM_PAGE
    if page.name == SMALL_PAGE:
        raise SettingError(f"--page: got {options.page}; allowed is another name, as {SMALL_PAGE} is written beside it")
    if options.record:
        boundary.check_installed("doom")
    try:
        if options.record:
            agents = {name: weights.load_agent(name) for name in published.AGENTS.values()}
            with _naming(starts.FILE, "make it writable"):
                starts.write(starts.record(agents, next(iter(agents))))
            print(f"recorded: {starts.FILE}")
        with _naming(page, "name another file, with --page"):
            published.write_page(page, weights.load_agent)
        print(f"dream: {page} ({_size(page.stat().st_size)})")
        beside = page.with_name(SMALL_PAGE)
        with _naming(beside, "name another file, with --page"):
            small.write_small_page(beside, weights.load)
        print(f"small dreams: {beside} ({_size(beside.stat().st_size)})")
        if options.picture:
            with _naming(Path(options.picture), "name another file, with --picture"):
                screenshot.take(page, Path(options.picture))
            print(f"picture: {options.picture}")
    except ValueError as error:
        raise SettingError(f"web: {error}") from None
    return 0


@contextmanager
def _naming(file: Path, to_do: str) -> Iterator[None]:
    """Turn an error of the disk into one that names the file and what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ValueError(f"cannot write {file} ({reason}); {to_do}") from None


def command_lab(options: argparse.Namespace) -> int:
    """Replace this process by JupyterLab, so that it gets Ctrl-C itself; does not return."""
    boundary.check_installed("notebooks")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = {word.lstrip("-").partition("=")[0] for word in options.rest}
    lab = [sys.executable, "-m", "jupyterlab"]
    if not given & {"ip", "ServerApp.ip"}:
        lab.append("--ServerApp.ip=127.0.0.1")
    if not given & {"notebook-dir", "ServerApp.root_dir"}:
        lab.append(f"--ServerApp.root_dir={paths.root()}")  # notebooks show the project's figures and link to its code
        if "LabApp.default_url" not in given:
            lab.append("--LabApp.default_url=/lab/tree/notebooks")
    os.execv(sys.executable, [*lab, *options.rest])
