"""``skdeep search-status``: how far a search is, from its journal."""

import argparse
import math
import os
import sys
import time
from typing import Any

MOST_SECONDS = 86_400  # between two looks at a search


def add(commands: Any) -> None:
    """Add the command to the parsers of all commands."""
    command = commands.add_parser(
        "search-status",
        help="how far a search is, from its journal",
        description="Shows how far the search is whose storage= this file is, and its best "
        "candidates so far; on a terminal until Ctrl-C, anew every few seconds.",
    )
    command.add_argument("path", help="the file that the search has as storage=")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--every", type=_seconds, metavar="SECONDS", help="anew; 2 on a terminal")
    how.add_argument("--html", metavar="FILE", help="write a page with pictures instead")
    command.set_defaults(run=search_status)


def search_status(options: argparse.Namespace) -> int:
    """Print the state of a search, once or again and again, or write it as a page."""
    from skdeep.model_selection import SearchDisplay, load_search

    live = sys.stdout.isatty()
    every = 2.0 if options.every is None and live else options.every
    try:
        while True:
            try:
                if options.html is not None:
                    SearchDisplay.from_search(options.path).report(options.html)
                    return 0
                text = load_search(options.path).summary()
            except (OSError, ValueError) as error:
                print(error, file=sys.stderr)
                return 1
            print(f"\x1b[2J\x1b[H{text}" if live else text, flush=True)
            if every is None:
                return 0
            time.sleep(every)
    except BrokenPipeError:  # its reader has seen enough; nothing is left to be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 0


def _seconds(text: str) -> float:
    """A time to wait, as it was typed.

    Raises
    ------
    ArgumentTypeError
        If it is none: a text, a negative number, or more than can be waited.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(
            f"must be seconds, from 0 to {MOST_SECONDS:,}, but is {text!r}"
        )
    return seconds
