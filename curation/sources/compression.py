"""The decompressed bytes of a file, streaming, in memory that does not depend on what the file holds.

What the content begins with decides, not the file's name: gzip (RFC 1952, any number of members, zero padding after
them), zstd (RFC 8878, any number of frames, skippable frames), else the bytes as they are. Every byte that could be
decompressed is given before `BrokenStreamError` says where and why it ended early.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import zstandard
from isal import igzip_lib, isal_zlib

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
READ_BYTES = 256 * KIB
PIECE_BYTES = 256 * KIB
DEFLATE_STEP_BYTES = 16 * KIB
"""How much is inflated at a time: what a damaged deflate stream may cost of the bytes before the damage."""
DEFLATE_INPUT_BYTES = 32 * KIB
"""How much is given to inflate: what follows the end of a small member has to be given again."""
MAX_WINDOW_BYTES = 128 * MIB
"""What zstd itself takes without `--long`; a frame that needs a larger window is refused."""
BOMB_BYTES, BOMB_RATIO = 4 * GIB, 1000
"""A file that has given more than the first, at more than the second to one, is no text: reading stops there."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
UNSUPPORTED = {
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
}


class BrokenStreamError(Exception):
    """The stream ended before its end: `reason` is one of a small fixed set, `detail` says what was found and where."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


def decompressed(file: BinaryIO) -> Iterator[bytes]:
    """The content in pieces of at most about a quarter of a mebibyte, none of them empty.

    Raises BrokenStreamError, after all that came before, for a stream that is cut short or damaged (`gzip.truncated`,
    `gzip.corrupt`, `gzip.checksum`, `gzip.trailing_garbage`, and the same of zstd), for what is compressed twice
    (`compression.nested`), compressed otherwise (`compression.unsupported`), needs too large a window (`zstd.window`)
    or a dictionary (`zstd.dictionary`), or is a bomb (`compression.bomb`). Errors of `file` pass through.
    """
    source = _Input(file)
    start = source.peek(8)
    if start.startswith(GZIP_MAGIC):
        pieces, is_compressed = _gunzip(source), True
    elif start.startswith(ZSTD_MAGIC) or _is_skippable(start):
        pieces, is_compressed = _unzstd(source), True
    else:
        _refuse_unsupported(start)
        pieces, is_compressed = iter(source.some, b""), False
    return _watched(pieces, source) if is_compressed else pieces


class DecompressedFile(io.RawIOBase):
    """The same bytes as a raw file; at a broken end it is simply over, and `fault` says why."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.fault: BrokenStreamError | None = None
        self._file = file
        self._pieces: Iterator[bytes] | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io passes a memoryview
        if not self._left:
            self._left = memoryview(self._next_piece())
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next_piece(self) -> bytes:
        if self.fault is not None:
            return b""
        try:
            if self._pieces is None:
                self._pieces = decompressed(self._file)
            return next(self._pieces, b"")
        except BrokenStreamError as fault:
            self.fault = fault
            return b""


class _Input:
    """A file with a buffer: `position` is the offset of the next byte that will be given."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = b""
        self._next = 0
        self._start = 0

    @property
    def position(self) -> int:
        return self._start + self._next

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end; they stay to be read."""
        while len(self._held) - self._next < count and (more := self._file.read(READ_BYTES)):
            self._start, self._held, self._next = self.position, self._held[self._next :] + more, 0
        return self._held[self._next : self._next + count]

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        data = self.peek(count)
        self._next += len(data)
        return data

    def some(self, at_most: int = READ_BYTES) -> bytes:
        """The next bytes that are at hand; none at the end."""
        if self._next == len(self._held):
            self._start, self._held, self._next = self.position, self._file.read(READ_BYTES), 0
        data = self._held[self._next : self._next + at_most]
        self._next += len(data)
        return data

    def put_back(self, count: int) -> None:
        """Give again the last `count` bytes of what `some` gave last."""
        self._next -= count


def _watched(pieces: Iterator[bytes], source: _Input) -> Iterator[bytes]:
    """The pieces, refused where they are compressed again or are a bomb."""
    given = 0
    for piece in pieces:
        if given == 0 and piece.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
            raise BrokenStreamError("compression.nested", "the content is compressed a second time; unpack it once")
        given += len(piece)
        if given > BOMB_BYTES and given > BOMB_RATIO * source.position:
            raise BrokenStreamError(
                "compression.bomb", f"{given} bytes from the first {source.position}, more than {BOMB_RATIO} to one"
            )
        yield piece


def _refuse_unsupported(start: bytes) -> None:
    name = next((name for magic, name in UNSUPPORTED.items() if start.startswith(magic)), None)
    if start[:3] == b"BZh" and start[4:8] == b"1AY&":
        name = "bzip2"
    if name is not None:
        raise BrokenStreamError("compression.unsupported", f"the file is {name}; expected plain, gzip or zstd")


def _gunzip(source: _Input) -> Iterator[bytes]:
    """Member after member. The deflate stream is inflated raw and its checksum kept here, so that a wrong checksum or a
    cut trailer costs none of the bytes before it."""
    while source.peek(1):
        at = source.position
        if at and source.peek(2) not in (GZIP_MAGIC, GZIP_MAGIC[:1]):
            _expect_padding(source)
            return
        _skip_gzip_header(source)
        yield from _inflate_member(source, at)


def _inflate_member(source: _Input, at: int) -> Iterator[bytes]:
    inflater = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
    checksum = size = held_bytes = 0
    held: list[bytes] = []
    fault: BrokenStreamError | None = None
    while not inflater.eof:
        data = source.some(DEFLATE_INPUT_BYTES) if inflater.needs_input else b""
        if inflater.needs_input and not data:
            fault = BrokenStreamError("gzip.truncated", f"the file ends at byte {source.position}, within a member")
            break
        try:
            step = inflater.decompress(data, DEFLATE_STEP_BYTES)
        except igzip_lib.IsalError as error:  # type: ignore[misc]  # the stub calls the class an instance
            fault = BrokenStreamError("gzip.corrupt", f"{error} at about byte {source.position}, in the member at {at}")
            break
        held.append(step)
        held_bytes += len(step)
        if held_bytes >= PIECE_BYTES:
            piece = b"".join(held)
            checksum, size = isal_zlib.crc32(piece, checksum), size + len(piece)
            held, held_bytes = [], 0
            yield piece
    if held_bytes:
        piece = b"".join(held)
        checksum, size = isal_zlib.crc32(piece, checksum), size + len(piece)
        yield piece
    if fault is not None:
        raise fault
    source.put_back(len(inflater.unused_data))
    _expect_trailer(source, checksum, size)


def _expect_trailer(source: _Input, checksum: int, size: int) -> None:
    trailer = source.exactly(8)
    if len(trailer) < 8:
        raise BrokenStreamError("gzip.truncated", f"the file ends at byte {source.position}, within a member's trailer")
    if struct.unpack("<II", trailer) != (checksum, size & 0xFFFFFFFF):
        raise BrokenStreamError(
            "gzip.checksum", f"the member that ends at byte {source.position} is not what its CRC and size say"
        )


def _skip_gzip_header(source: _Input) -> None:
    """RFC 1952, section 2.3."""
    start = source.exactly(10)
    if len(start) < 10:
        raise BrokenStreamError("gzip.truncated", f"the file ends at byte {source.position}, within a member's header")
    method, flags = start[2], start[3]
    if method != 8 or flags & 0xE0:
        raise BrokenStreamError("gzip.corrupt", f"no gzip header at byte {source.position - 10}")
    if flags & 4:
        source.exactly(int.from_bytes(source.exactly(2), "little"))
    for flag in (8, 16):  # the file's name, a comment: each ends in a zero byte
        while flags & flag and source.exactly(1) not in (b"\x00", b""):
            pass
    if flags & 2:
        source.exactly(2)


def _expect_padding(source: _Input) -> None:
    at = source.position
    while data := source.some():
        if data.strip(b"\x00"):
            raise BrokenStreamError("gzip.trailing_garbage", f"what follows the last member, at byte {at}, is no gzip")


def _unzstd(source: _Input) -> Iterator[bytes]:
    """Frame after frame, a block at a time: a block gives at most 128 KiB, whatever it claims."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    while start := source.peek(18):
        at = source.position
        if _is_skippable(start):
            _skip_frame(source)
        elif start.startswith(ZSTD_MAGIC):
            yield from _zstd_frame(source, decompressor, start)
        elif len(start) < 4:
            raise BrokenStreamError("zstd.truncated", f"the file ends at byte {at + len(start)}, within a magic number")
        else:
            raise BrokenStreamError("zstd.trailing_garbage", f"what follows the last frame, at byte {at}, is no zstd")


def _zstd_frame(source: _Input, decompressor: zstandard.ZstdDecompressor, start: bytes) -> Iterator[bytes]:
    """The blocks of a frame (RFC 8878, section 3.1.1)."""
    at = source.position
    try:
        parameters = zstandard.get_frame_parameters(start)
        header_bytes = zstandard.frame_header_size(start)
    except zstandard.ZstdError as error:
        reason = "zstd.truncated" if len(start) < 18 else "zstd.corrupt"
        raise BrokenStreamError(reason, f"no whole frame header at byte {at}: {error}") from None
    if parameters.window_size > MAX_WINDOW_BYTES:
        raise BrokenStreamError(
            "zstd.window",
            f"the frame at byte {at} needs a window of {parameters.window_size} bytes, at most {MAX_WINDOW_BYTES} are"
            " given; compress it again without --long",
        )
    if parameters.dict_id:
        raise BrokenStreamError("zstd.dictionary", f"the frame at byte {at} needs dictionary {parameters.dict_id}")
    frame = decompressor.decompressobj()
    _feed(frame, source.exactly(header_bytes), at)
    is_last = False
    while not is_last:
        header = source.exactly(3)
        word = int.from_bytes(header, "little")
        is_last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        block = source.exactly(1 if kind == 1 else size)
        whole = len(header) == 3 and len(block) == (1 if kind == 1 else size)
        if not whole:
            raise BrokenStreamError("zstd.truncated", f"the file ends at byte {source.position}, within a frame")
        if piece := _feed(frame, header + block, at):
            yield piece
    if parameters.has_checksum:
        checksum = source.exactly(4)
        if len(checksum) < 4:
            raise BrokenStreamError("zstd.truncated", f"the file ends at byte {source.position}, within a checksum")
        try:
            _feed(frame, checksum, at)
        except BrokenStreamError as error:
            raise BrokenStreamError("zstd.checksum", error.detail) from None


def _feed(frame: zstandard.ZstdDecompressionObj, data: bytes, at: int) -> bytes:
    try:
        return frame.decompress(data)
    except zstandard.ZstdError as error:
        raise BrokenStreamError("zstd.corrupt", f"{error}, in the frame at byte {at}") from None


def _is_skippable(start: bytes) -> bool:
    return len(start) >= 4 and start[1:4] == b"\x2a\x4d\x18" and start[0] & 0xF0 == 0x50


def _skip_frame(source: _Input) -> None:
    header = source.exactly(8)
    left = int.from_bytes(header[4:], "little")
    while left and (data := source.some()):
        source.put_back(max(0, len(data) - left))
        left -= min(left, len(data))
    if len(header) < 8 or left:
        raise BrokenStreamError("zstd.truncated", f"the file ends at byte {source.position}, within a skippable frame")
