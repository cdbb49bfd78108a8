#!/usr/bin/env bash
# One command from a fresh clone: sets up what is missing, then runs the notebooks (default), the tests, the checks or JupyterLab.
#
#   ./run_all.sh                              all notebooks, figures, gallery
#   ./run_all.sh test [pytest arguments]      the tests
#   ./run_all.sh lint                         style, types and spelling, as CI checks them
#   ./run_all.sh lab                          JupyterLab
#   ./run_all.sh web                          two pages with dreams to play, in build/
#   ./run_all.sh 01 --profile smoke -p ...    see: ./run_all.sh run --help
set -euo pipefail
here=$PWD
script=${BASH_SOURCE[0]}
CDPATH='' cd -P -- "$(dirname -- "$script")"
while [ -L "$(basename -- "$script")" ]; do # the project is where the file is, not where a link to it is
  script=$(readlink -- "$(basename -- "$script")")
  CDPATH='' cd -P -- "$(dirname -- "$script")"
done

suitable() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

fail() {
  echo "run_all.sh: $1" >&2
  exit 1
}

[ -f pyproject.toml ] && [ -f wmlib/__main__.py ] || fail "no project in $PWD; run the file that lies in your clone, or a link to it"

# 1. a Python environment: the active one (venv, or conda but not its base) if its Python is new enough, else .venv
active=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
if [ -n "$active" ] && [ "${VIRTUAL_ENV:-}${CONDA_DEFAULT_ENV:-}" != base ] && suitable "$active/bin/python"; then
  python=$active/bin/python
else
  python=$PWD/.venv/bin/python
  if ! suitable "$python"; then
    for base in python3.11 python3.12 python3.13 python3.14 python3 ""; do
      suitable "$base" && break
    done
    if [ -z "$base" ]; then
      fail "no Python >= 3.11 found. Install one (Debian/Ubuntu: apt install python3 python3-venv; macOS: brew install python), or activate a conda environment that has it."
    fi
    [ -w . ] || fail "$PWD is read-only, so .venv cannot be made there; activate an environment of your own with Python >= 3.11"
    if ! "$base" -m venv --clear .venv; then
      rm -rf .venv
      fail "$base cannot make .venv (Debian/Ubuntu: apt install python3-venv)."
    fi
  fi
fi

# 2. the packages, once: again only when the lists have changed
stamp=$("$python" -c 'import sys; print(sys.prefix)')/.wmlib-installed
lists() {
  cat "$PWD/pyproject.toml" constraints.txt
  pwd
}
if ! lists | cmp -s - "$stamp"; then
  echo "run_all.sh: installing into $(dirname "$stamp") (a few minutes, once)"
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null
  "$python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[notebooks,doom,dev]"
  "$python" -m wmlib.models.dnc # compiles the DNC's steps
  lists > "$stamp"
fi

# 3. the work
case "${1:-}" in
  test)
    shift
    exec "$python" -m pytest -n auto --dist worksteal "$@"
    ;;
  lint)
    "$python" -m ruff check .
    "$python" -m ruff format --check .
    "$python" -m mypy
    exec "$python" -m codespell_lib
    ;;
  *)
    cd -- "$here"
    exec "$python" -P -m wmlib "$@"
    ;;
esac
