"""One file for a model: a line that tells what follows, then a zip archive without compression.

    skdeep estimator 1 48213 9f86d081884c7d65...      kind, format, bytes and SHA-256 of the rest

The line is checked before anything is parsed, so that a file that was cut, altered or written by a
newer skdeep is refused with its reason. The checksum finds accidents; it is no defence against
somebody who makes a file by hand, whom the readers of the parts have to expect.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from skdeep.exceptions import LoadError

FORMAT = 1
_LONGEST_LINE = 200


def write(path: str | os.PathLike, kind: str, parts: dict[str, bytes]) -> bytes:
    """Write a file of some kind from named parts; an error leaves an older file as it was.

    Returns its first line, which has a digest of all.
    """
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    body = buffer.getbuffer()
    line = f"skdeep {kind} {FORMAT} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()
    replace(Path(path), line, body)
    return line


def replace(path: Path, *pieces: bytes | memoryview) -> None:
    """Put pieces into the place of a file, all or nothing; of a link into what it leads to."""
    path = Path(os.path.realpath(path))
    # A name of its own: what a crash leaves is no model's, and in nobody's way.
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            with contextlib.suppress(FileNotFoundError):  # a new file's mode is the umask's
                beside.chmod(stat.S_IMODE(path.stat().st_mode))
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        raise


def read(path: str | os.PathLike, kind: str) -> dict[str, bytes]:
    """The parts of a file of some kind, by name.

    Raises
    ------
    LoadError
        If it is no such file, or not as it was written.
    OSError
        If it cannot be read.
    """
    with Path(path).open("rb") as file:
        line = file.readline(_LONGEST_LINE)
        size = os.fstat(file.fileno()).st_size - len(line)
        length, digest = _told(line, kind, path)
        if size != length:
            what = "is cut off" if size < length else "has something appended"
            raise LoadError(f"{path} {what}: it has {size} bytes of data, but {length} were saved.")
        body = file.read()
    if hashlib.sha256(body).hexdigest() != digest:
        raise LoadError(f"{path} was altered after it was saved: its checksum is another.")
    try:
        return unzip(body)
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise LoadError(f"{path} has no readable content: {error}") from error


def _told(line: bytes, kind: str, path: str | os.PathLike) -> tuple[int, str]:
    """Length and checksum from the first line."""
    words = line[:-1].decode("latin-1").split(" ")
    if words[0] != "skdeep":
        raise LoadError(f"{path} is no file of skdeep.save, or its beginning is damaged.")
    if not line.endswith(b"\n"):
        raise LoadError(f"{path} is cut off in its first line, or that line is damaged.")
    if len(words) < 3 or not words[2].isdecimal():
        raise LoadError(f"the first line of {path} is damaged.")
    if int(words[2]) > FORMAT:
        raise LoadError(
            f"{path} has format {words[2]}, but this version of skdeep reads up to {FORMAT}; "
            f"it was saved by a newer one: upgrade skdeep."
        )
    if len(words) != 5 or words[2] != str(FORMAT) or not words[3].isdecimal():
        raise LoadError(f"the first line of {path} is damaged.")
    if words[1] != kind:
        raise LoadError(f"{path} holds a skdeep {words[1]!r}, but {kind!r} is wanted.")
    return int(words[3]), words[4]


def unzip(data: bytes) -> dict[str, bytes]:
    """The members of an archive that compresses nothing, so that it cannot swell.

    Raises
    ------
    BadZipFile or ValueError
        If it is none.
    """
    with ZipFile(BytesIO(data)) as archive:
        members = archive.infolist()
        if any(m.compress_type != ZIP_STORED or m.file_size != m.compress_size for m in members):
            raise ValueError("a part is compressed")
        if sum(m.file_size for m in members) > len(data):
            raise ValueError("its parts overlap")
        if len({m.filename for m in members}) != len(members):
            raise ValueError("two parts have one name")
        return {m.filename: archive.read(m) for m in members}
