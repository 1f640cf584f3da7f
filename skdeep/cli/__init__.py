"""The command line: ``skdeep tune``, ``predict``, ``search-status`` and ``demo``."""

import argparse
import sys
from collections.abc import Sequence

from skdeep.cli import demo, predict, status, tune
from skdeep.cli.tables import Refused

__all__ = ["main"]

INTERRUPTED = 130  # as of what a shell ends by Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status.

    0 is success, 1 is data or a file that is refused, 130 is Ctrl-C; wrong usage exits with 2.
    """
    parser = argparse.ArgumentParser(prog="skdeep", description="Deep learning in scikit-learn.")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    for module in (tune, predict, status, demo):
        module.add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except Refused as error:
        print(f"skdeep {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(
            "".join([f"\nskdeep {options.command}: interrupted", *interrupt.args]), file=sys.stderr
        )
        return INTERRUPTED
