"""The command line: `python -m wmlib run | list | gallery | readme | lab`. `./run_all.sh` is a thin front to it."""

import argparse
import os
import sys
import time
from pathlib import Path

from wmlib.experiment import backend, paths, results
from wmlib.experiment import settings as profiles
from wmlib.command import runner
from wmlib.experiment.settings import SettingError

FLAGS = (
    "--profile",
    "--out",
    "--seed",
    "--device",
    "-p",
    "--fresh",
    "--jobs",
    "--cell-timeout",
    "--backend",
    "--scheduler",
    "--help",
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others."""

    def error(self, message: str) -> None:
        raise SettingError(f"{message} (see ./run_all.sh run --help)")


def parser() -> argparse.ArgumentParser:
    main = Parser(prog="wmlib", description="Run the notebooks, draw their figures, build the gallery.")
    commands = main.add_subparsers(dest="command", required=True)
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--profile", default="quick", help="smoke, quick (default) or paper")
    where.add_argument("--out", metavar="DIR", help="write everything (notebooks, figures, cache, gallery) under DIR")

    run = commands.add_parser("run", parents=[where], help="execute notebooks and build the gallery")
    run.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="01, 03-05 or a name; none: all")
    run.add_argument("--seed", type=int, default=1, help="every random number comes from it (default 1)")
    run.add_argument("--device", default="auto", help="auto (default), cpu or cuda")
    run.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="change one setting")
    run.add_argument("--fresh", action="store_true", help="make every cached stage again")
    run.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at a time (default 1)")
    run.add_argument("--backend", default="loky", help="loky (default): processes of this machine; dask: a cluster")
    run.add_argument("--scheduler", metavar="ADDRESS", help="of the Dask cluster, for example tcp://host:8786")
    run.add_argument("--cell-timeout", type=int, metavar="SECONDS", help="a cell that takes longer counts as hung")

    commands.add_parser("list", parents=[where], help="show the notebooks, their settings and last results")
    commands.add_parser("gallery", parents=[where], help="build the static site from the executed notebooks")
    commands.add_parser("readme", help="write the claims table of README.md from figures/*/results.json")
    commands.add_parser("lab", help="open JupyterLab on notebooks/; further arguments go to it")
    return main


def main(arguments: list[str]) -> int:
    if not arguments or (arguments[0] not in runner.COMMANDS and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    try:
        options, options.rest = parser().parse_known_args(arguments)
        if options.rest and options.command != "lab":
            raise SettingError(f"unknown option {options.rest[0]!r}.{profiles.nearest(options.rest[0], FLAGS)}")
        if getattr(options, "out", None):
            os.environ["WMLIB_OUT"] = str(Path(options.out).resolve())
        return globals()[f"command_{options.command}"](options)
    except (SettingError, results.ResultsError, FileNotFoundError) as error:
        print(f"wmlib: {error}", file=sys.stderr)
        return 2


def command_run(options: argparse.Namespace) -> int:
    if options.jobs < 1:
        raise SettingError(f"jobs: got {options.jobs}; allowed is a whole number >= 1")
    backend.use(options.backend, options.scheduler)  # a wrong address is found now, not in a notebook
    os.environ["WMLIB_BACKEND"] = options.backend
    if options.scheduler:
        os.environ["WMLIB_SCHEDULER"] = options.scheduler
    parameters = runner.parse_parameters(options.parameters)
    jobs = runner.plan(options.notebooks, options.profile, options.seed, options.device, parameters, options.cell_timeout)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a process; the parallel parts start processes
    if options.fresh:
        os.environ["WMLIB_FRESH"] = str(time.time())

    from rich.console import Console

    from wmlib.command import view

    console = Console(highlight=False)
    try:
        with view.live_view(jobs, console) as changed:
            runner.run(jobs, options.jobs, changed)
    except KeyboardInterrupt:
        view.summary(jobs, console)
        console.print("Stopped. The same command goes on from here.")
        return 130
    view.summary(jobs, console)
    if any(job.status == "ok" for job in jobs):
        build_gallery(options.profile)
    return 0 if all(job.status == "ok" for job in jobs) else 1


def build_gallery(profile: str) -> None:
    from wmlib.command.gallery import build_gallery as build

    out = paths.output(profile)
    try:
        index = build(out / "notebooks", paths.figures(profile), out / "gallery")
    except ValueError as error:
        raise SettingError(f"gallery: {error}") from None
    print(f"gallery: {index}")


def command_gallery(options: argparse.Namespace) -> int:
    profiles.choose("profile", options.profile, profiles.PROFILES)
    build_gallery(options.profile)
    return 0


def command_list(options: argparse.Namespace) -> int:
    profiles.choose("profile", options.profile, profiles.PROFILES)
    for name in runner.available():
        print(f"{name}: {paths.title(paths.notebooks() / f'{name}.ipynb')}")
        for setting in profiles.read(name).values():
            value = getattr(setting, options.profile)
            print(f"    -p {setting.name}={value}  {setting.doc}; allowed: {setting.allowed()}")
        stored = paths.figures(options.profile) / name / "results.json"
        print(f"    {results.read(stored)['headline']['text'] if stored.exists() else 'not run yet'}")
    return 0


def command_readme(options: argparse.Namespace) -> int:
    from wmlib.command.claims import write_claims

    write_claims(paths.root() / "README.md", paths.root() / "figures")
    return 0


def command_lab(options: argparse.Namespace) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    lab = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={paths.notebooks()}"]
    os.execv(sys.executable, [*lab, *options.rest])  # becomes JupyterLab, so that Ctrl-C is its own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
