"""`python -m wmlib`: the command line, see `wmlib.command.cli`."""

import sys

from wmlib.command.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
