"""Tables in files: CSV, as it is or compressed, and parquet."""

import argparse
import sys
import tempfile
import warnings
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".parquet")


class Refused(ValueError):
    """What a command refuses; its message is all that the user is told."""


def table_path(text: str) -> Path:
    """The path of a table, as it was typed.

    Raises
    ------
    ArgumentTypeError
        If its ending is none that is known.
    """
    if not text.lower().endswith(SUFFIXES):
        raise argparse.ArgumentTypeError(f"must end in {', '.join(SUFFIXES)}, but is {text!r}")
    return Path(text)


def read_table(path: Path, words: Collection[str] = ()) -> "pd.DataFrame":
    """The table in a file, with names of columns that are strings.

    Parameters
    ----------
    path : Path
        With one of the ``SUFFIXES``.
    words : collection of str
        Columns that hold strings, also where all that a CSV has of them could be numbers.

    Raises
    ------
    Refused
        If it cannot be read, or has no rows.
    """
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
            table = table.reset_index(drop=table.index.names == [None])
        else:  # in one piece, so that a column is of one type
            table = pd.read_csv(path, dtype=dict.fromkeys(words, str), low_memory=False)
    except ImportError:
        raise Refused(
            f"{path} cannot be read: parquet needs pyarrow; install it by "
            "pip install 'skdeep[parquet]', or give a CSV."
        ) from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Refused(f"{path} cannot be read: {one_line(error)}") from error
    if not table.index.equals(pd.RangeIndex(len(table))):
        raise Refused(f"{path} has rows with more values than there are names in its first line.")
    if not len(table):
        raise Refused(f"{path} has names of columns, but no rows.")
    return table.rename(columns=str)


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table, without its index; an error leaves an older file as it was.

    Raises
    ------
    Refused
        If it cannot be written.
    """
    import gzip

    from skdeep.persistence.files import replace

    try:
        if path.suffix.lower() == ".parquet":
            buffer = BytesIO()
            table.to_parquet(buffer, index=False)
            data = buffer.getvalue()
        else:
            data = table.to_csv(index=False).encode()
            data = gzip.compress(data, mtime=0) if path.suffix.lower() == ".gz" else data
        replace(path, data)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {one_line(error)}") from error


def check_place(path: Path, force: bool, others: Collection[Path] = ()) -> None:
    """Refuse a place for a file that is taken, unless by force, or where none can be written.

    By no force it takes the place of ``others``, which the command reads or writes.
    """
    if path.is_dir():
        raise Refused(f"{path} is a folder; give the path of a file.")
    if path.resolve() in [other.resolve() for other in others]:
        raise Refused(f"{path} is named for two things; give another path.")
    if path.exists() and not force:
        raise Refused(f"{path} is there already; give another --out, or --force to replace it.")
    if path.suffix.lower() == ".parquet":
        check_parquet(path)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise Refused(f"{path} cannot be written: make the folder {path.parent} first.")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise Refused(f"{path} cannot be written: {one_line(error)}") from error


def check_parquet(path: Path) -> None:
    """Refuse to write parquet without what writes it."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise Refused(
            f"{path} cannot be written: parquet needs pyarrow; install it by "
            "pip install 'skdeep[parquet]', or give a name that ends in .csv."
        )


def check_columns(wanted: Iterable[str], table: "pd.DataFrame", path: Path) -> None:
    """Refuse a table that lacks columns; it is told what may have been meant."""
    from skdeep.validation import did_you_mean

    missing = [name for name in wanted if name not in table]
    if len(missing) == 1:
        hint = did_you_mean(missing[0], table.columns)
        raise Refused(f"{path} has no column {missing[0]!r}{hint}")
    if missing:
        raise Refused(f"{path} has no columns {listed(missing)}.")


def listed(names: Collection, most: int = 8) -> str:
    """Names in one line, of many the first ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, list(names)[:most])) + more


def one_line(error: BaseException | Warning | str) -> str:
    """The first line of what an error says, or its kind."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Have warnings be a line each on stderr, without the place in the code."""

    def note(message: Any, *_: Any, **__: Any) -> None:
        print(f"note: {one_line(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = note
        yield
