"""Where each record of a WARC begins and ends, whatever is between them.

Every byte is accounted for: a record whose length does not lead to the next one, and what is no record at all, is a
`Damage`, and reading goes on at the next line that begins with `WARC/`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20
MAX_LINE_BYTES = 64 * KIB
MAX_HEADER_BYTES = MIB
MAX_DIGITS = 18

_VERSION = re.compile(rb"WARC/\d\.\d+\r?\n\Z")


@dataclass(frozen=True)
class Frame:
    """A whole record as it stands: its header `head` and its `block` of `size` bytes, None where that is too large."""

    head: bytes
    block: bytes | None
    size: int
    fields: dict[str, str]

    @property
    def type(self) -> str:
        """WARC-Type in lower case."""
        return (self.header("WARC-Type") or "").lower()

    @property
    def raw(self) -> bytes:
        """Header and block."""
        return self.head + (self.block or b"")

    def header(self, name: str) -> str | None:
        """The value of a header field; its name in any case."""
        return self.fields.get(name.lower())


@dataclass(frozen=True)
class Damage:
    """What could not be read as a record: `not_warc`, `bad_header`, `bad_length` or `truncated`; `is_at_end` when it
    was cut off by the end of the stream; `begins` shows what is no record."""

    why: str
    detail: str
    is_at_end: bool = False
    begins: str = ""

    @property
    def hides_records(self) -> bool:
        """Whether what was passed over may have held further records; a header that is wrong spoils its own alone."""
        return self.why != "bad_header"


def frames(stream: io.RawIOBase, max_bytes: int) -> Iterator[Frame | Damage]:
    """The records of an uncompressed WARC stream, and the damage between them, in order."""
    reader = _Reader(stream)
    while line := reader.next_line():
        if not _VERSION.match(line):
            at = reader.position - len(line)
            reader.resynchronise()
            yield Damage("not_warc", f"no record begins at byte {at}", reader.is_at_end, repr(line[:40]))
            continue
        yield reader.frame(line, max_bytes)


class _Reader:
    """The lines and blocks of a stream, `position` in it."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self.position = 0
        self._file = io.BufferedReader(stream, 256 * KIB)
        self._again = b""

    @property
    def is_at_end(self) -> bool:
        return not self._again and not self._file.peek(1)

    def next_line(self) -> bytes:
        """The next line that is not blank; empty at the end."""
        while line := self._line():
            if line.strip(b"\r\n"):
                return line
        return b""

    def resynchronise(self) -> None:
        """Go on to the next line that begins a record; what is passed over is not held."""
        while line := self._line():
            if _VERSION.match(line):
                self._put_back(line)
                return

    def frame(self, version: bytes, max_bytes: int) -> Frame | Damage:
        """The record whose first line has been read."""
        start = self.position - len(version)
        head = [version]
        while (line := self._line()) and line.strip(b"\r\n") and self.position - start < MAX_HEADER_BYTES:
            head.append(line)
        if not line:
            return Damage("truncated", f"the file ends within the header of the record at byte {start}", True)
        if line.strip(b"\r\n"):
            self.resynchronise()
            return Damage("bad_header", f"the header of the record at byte {start} does not end")
        fields = _fields(head[1:])
        length = fields.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS):
            self.resynchronise()
            return Damage("bad_header", f"the record at byte {start} has Content-Length {length!r}")
        return self._block(b"".join([*head, line]), fields, int(length), start, max_bytes)

    def _block(self, head: bytes, fields: dict[str, str], size: int, start: int, max_bytes: int) -> Frame | Damage:
        block = self._read(size) if size <= max_bytes else None
        got = len(block) if block is not None else self._skip(size)
        if got < size:
            detail = f"the file ends within the record at byte {start}: {got} of {size} bytes"
            return Damage("truncated", detail, True)
        if not self._ends_here():
            self.resynchronise()
            return Damage("bad_length", f"the record at byte {start} does not end after its {size} bytes")
        return Frame(head, block, size, fields)

    def _ends_here(self) -> bool:
        """Whether a blank line, another record or the end comes next."""
        line = self._line()
        self._put_back(line)
        return not line.strip(b"\r\n") or bool(_VERSION.match(line))

    def _line(self) -> bytes:
        line = self._again or self._file.readline(MAX_LINE_BYTES)
        self._again = b""
        self.position += len(line)
        return line

    def _put_back(self, line: bytes) -> None:
        self._again = line
        self.position -= len(line)

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        self.position += len(data)
        return data

    def _skip(self, count: int) -> int:
        left = count
        while left and (data := self._file.read(min(left, MIB))):
            left -= len(data)
        self.position += count - left
        return count - left


def _fields(lines: list[bytes]) -> dict[str, str]:
    """The header's fields by name in lower case; the first of equal names counts, folded lines are joined."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text[:1] in (" ", "\t") and name:
            fields[name] += " " + text.strip()
            continue
        name, _, value = text.partition(":")
        name = name.strip().lower()
        fields.setdefault(name, value.strip())
    return fields
