"""A first look at the bytes of a data file: is it there, is it text, is it UTF-8? One pass, in blocks."""

from __future__ import annotations

import codecs
import stat
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from engine.dataset.problems import ProblemList

BLOCK = 1 << 20

_SAVE_AS = 'save it as "CSV UTF-8" (in a spreadsheet), or convert it with "iconv"'

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive", 'open it and save the table as "CSV UTF-8"'),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", 'open it and save the table as "CSV UTF-8"'),
    (b"PAR1", "a Parquet file", "give it a name that ends in .parquet, or write it as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first (gunzip)"),
    (b"BZh", "compressed with bzip2", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first (unzstd)"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"SQLite format 3", "an SQLite data base", "export the table as CSV"),
)


class Source(msgspec.Struct, frozen=True):
    """What the first look found.

    Parameters
    ----------
    utf8 : bool
        Whether every byte is valid UTF-8.
    bad_position : int
        Where the first byte is that is not, counted from 0; -1 if there is none.
    nul : bool
        Whether there are NUL bytes.
    """

    utf8: bool
    bad_position: int
    nul: bool


def probe(path: Path, problems: ProblemList) -> Source | None:
    """Look at the file once, from end to end.

    Parameters
    ----------
    path : Path
        The file.
    problems : ProblemList
        Takes what is wrong.

    Returns
    -------
    Source or None
        None if there is nothing that can be read as a table; `problems` then says why.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        problems.add(
            "missing-file", "there is no such file", "check the name, and the folder from which it is looked up"
        )
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        problems.add("unreadable-file", f"the file cannot be read ({reason})", "check the name and its permissions")
        return None
    if stat.S_ISDIR(mode):
        problems.add("directory", "this is a folder, not a file", "name the CSV file in it")
        return None
    if not stat.S_ISREG(mode):
        problems.add("not-a-file", "this is a device or a pipe, not a file", "write the table to a file first")
        return None
    try:
        return _scan(path, problems)
    except OSError as error:
        problems.add("unreadable-file", f"the file cannot be read ({error.strerror})", "check its permissions")
        return None


def _scan(path: Path, problems: ProblemList) -> Source | None:
    """Read the bytes: signature, NUL bytes, UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    position, bad, nul, blank = 0, -1, False, True
    with path.open("rb") as stream:
        first = stream.read(BLOCK)
        if _refused(first, problems):
            return None
        block = first
        while block:
            nul = nul or b"\0" in block
            blank = blank and not block.removeprefix(codecs.BOM_UTF8).strip()
            if bad < 0:
                # The decoder holds back up to three bytes of a character that a block cut: they count for the error.
                held = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    bad = position - held + error.start
            position += len(block)
            block = stream.read(BLOCK)
        if bad < 0:
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                bad = position - held
    if blank:
        problems.add("empty-file", "the file is empty", "it needs a header line and one line per text")
        return None
    return Source(utf8=bad < 0, bad_position=bad, nul=nul)


def _refused(first: bytes, problems: ProblemList) -> bool:
    """Whether the first block shows that this is no UTF-8 text at all."""
    for signature, what, remedy in _SIGNATURES:
        if first.startswith(signature):
            problems.add("not-text", f"this is no CSV file but {what}", remedy)
            return True
    encoding = None
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "UTF-32"
    elif first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "UTF-16"
    else:
        # Without a mark: in UTF-16 text every second byte of Latin letters, commas and line ends is zero.
        head = first[:4096]
        head = head[: len(head) // 2 * 2]
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head) / 2:
            encoding = "UTF-16"
    if encoding:
        problems.add("encoding", f"line 1, byte 0x{first[0]:02X}: the file is in {encoding}, not UTF-8", _SAVE_AS)
        return True
    return False
