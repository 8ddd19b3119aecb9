"""Compression is read from the content; what is cut or damaged gives what came before, and says so once."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from curation.sources.compression import BrokenStreamError, DecompressedFile, decompressed
from tests.sources.reading import COMPRESS, json_lines, read_bytes
from tests.texts import essay

SKIPPABLE = struct.pack("<II", 0x184D2A53, 9) + b"skip this"
RECORDS = [{"id": str(i), "text": essay(i)} for i in range(60)]
LINES = json_lines(*RECORDS)
TEXTS = [record["text"] for record in RECORDS]


def unpack(data: bytes) -> bytes:
    return b"".join(decompressed(io.BytesIO(data)))


@given(st.lists(st.binary(max_size=5000), max_size=8), st.sampled_from([".gz", ".zst"]), st.booleans())
def test_members_and_frames_are_one_stream(parts: list[bytes], kind: str, is_bulky: bool) -> None:
    parts = [b"-", *(part * (200 if is_bulky else 1) for part in parts)]
    packed = b"".join(COMPRESS[kind](part) for part in parts)
    assert unpack(packed) == b"".join(parts)
    assert io.BufferedReader(DecompressedFile(io.BytesIO(packed))).read() == b"".join(parts)


def test_a_gzip_header_may_have_every_field() -> None:
    header = b"\x1f\x8b\x08" + bytes([2 | 4 | 8 | 16]) + bytes(6)
    header += b"\x05\x00extra" + b"name\x00" + b"comment\x00" + b"hc"
    assert unpack(header + gzip.compress(b"content")[10:]) == b"content"


def test_zero_padding_after_gzip_and_skippable_frames_are_nothing() -> None:
    assert unpack(gzip.compress(b"a") + bytes(1000)) == b"a"
    frame = zstandard.compress(b"a")
    assert unpack(SKIPPABLE + frame + SKIPPABLE + frame + SKIPPABLE) == b"aa"


@pytest.mark.parametrize("named", COMPRESS)
@pytest.mark.parametrize("packed", COMPRESS)
def test_the_content_decides_not_the_name(tmp_path: Path, named: str, packed: str) -> None:
    assert read_bytes(tmp_path, f"a.jsonl{named}", COMPRESS[packed](LINES)).texts == TEXTS


@pytest.mark.parametrize("kind", [".gz", ".zst"])
@pytest.mark.parametrize("percent", range(2, 100, 2))
def test_a_cut_file_keeps_its_leading_records_and_fails_once(tmp_path: Path, kind: str, percent: int) -> None:
    packed = b"".join(COMPRESS[kind](LINES[start : start + 4000]) for start in range(0, len(LINES), 4000))
    cut = packed[: len(packed) * percent // 100]
    outcome = read_bytes(tmp_path, f"cut.jsonl{kind}", cut)
    count = len(outcome.texts)
    assert outcome.texts == TEXTS[:count]
    assert count < len(TEXTS)
    if outcome.failures:
        (failure,) = outcome.failures
        assert failure.reason in ("gzip.truncated", "zstd.truncated", "jsonl.not_json")
        assert (failure.row, failure.line) == (count, count + 1)
    else:
        assert unpack(cut).endswith((b"}", b"\n"))


@pytest.mark.parametrize(("kind", "reason"), [(".gz", "gzip.truncated"), (".zst", "zstd.truncated")])
@pytest.mark.parametrize("percent", range(0, 100, 2))
def test_a_single_cut_stream_always_fails(tmp_path: Path, kind: str, reason: str, percent: int) -> None:
    packed = COMPRESS[kind](LINES)
    outcome = read_bytes(tmp_path, f"cut.jsonl{kind}", packed[: max(5, len(packed) * percent // 100)])
    assert [(failure.reason, failure.ends_file) for failure in outcome.failures] == [(reason, True)]
    assert outcome.texts == TEXTS[: len(outcome.texts)]


def test_only_the_checksum_is_wrong(tmp_path: Path) -> None:
    packed = bytearray(COMPRESS[".gz"](LINES))
    packed[-8] ^= 1
    outcome = read_bytes(tmp_path, "crc.jsonl.gz", bytes(packed))
    assert (outcome.texts, outcome.reasons) == (TEXTS, ["gzip.checksum"])
    packed = bytearray(COMPRESS[".zst"](LINES))
    packed[-1] ^= 1
    outcome = read_bytes(tmp_path, "crc.jsonl.zst", bytes(packed))
    assert (outcome.texts, outcome.reasons) == (TEXTS, ["zstd.checksum"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"a", mtime=0) + b"this is not gzip", "gzip.trailing_garbage"),
        (zstandard.compress(b"a") + b"this is not zstd", "zstd.trailing_garbage"),
        (zstandard.compress(b"a") + b"\x28\xb5", "zstd.truncated"),
        (SKIPPABLE[:10], "zstd.truncated"),
        (gzip.compress(gzip.compress(b"a", mtime=0), mtime=0), "compression.nested"),
        (gzip.compress(zstandard.compress(b"a"), mtime=0), "compression.nested"),
        (b"BZh91AY&SY....", "compression.unsupported"),
        (b"\xfd7zXZ\x00....", "compression.unsupported"),
        (b"PK\x03\x04....", "compression.unsupported"),
        (b"\x1f\x8b\x07" + bytes(20), "gzip.corrupt"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "gzip.corrupt"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "zstd.corrupt"),
    ],
)
def test_what_is_no_stream_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(BrokenStreamError) as broken:
        unpack(data)
    assert broken.value.reason == reason


def test_a_zstd_window_beyond_the_bound_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=29)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BrokenStreamError, match=r"zstd\.window.*--long"):
        unpack(stream.compress(b"a" * 1000) + stream.flush())


def test_a_zstd_frame_with_a_dictionary_is_refused() -> None:
    samples: list[bytes | bytearray | memoryview[int]] = [essay(i).encode() for i in range(500)]
    trained = zstandard.train_dictionary(4096, samples)
    with pytest.raises(BrokenStreamError, match=r"zstd\.dictionary"):
        unpack(zstandard.ZstdCompressor(dict_data=trained).compress(b"any"))


@pytest.mark.parametrize("kind", [".gz", ".zst"])
def test_damage_anywhere_never_raises(tmp_path: Path, kind: str) -> None:
    packed = COMPRESS[kind](LINES)
    for seed in range(150):
        generator = random.Random(seed)
        damaged = bytearray(packed)
        for _ in range(generator.choice([1, 1, 8])):
            damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        outcome = read_bytes(tmp_path, f"damaged.jsonl{kind}", bytes(damaged))
        assert outcome.texts == TEXTS or outcome.failures


READ_ONE = """
import sys
from pathlib import Path
from tests.sources.reading import read
outcome = read(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()  # not ru_maxrss, which a child inherits from its parent
print(outcome.texts, outcome.reasons, int(status.split("VmHWM:")[1].split()[0]) // 1024, sep="|")
"""


@pytest.mark.parametrize("kind", [".gz", ".zst"])
def test_a_bomb_is_passed_over_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"bomb.jsonl{kind}"
    compressor = isal_zlib.compressobj(1, wbits=31) if kind == ".gz" else zstandard.ZstdCompressor().compressobj()
    with path.open("wb") as file:
        file.write(compressor.compress(json_lines({"text": "before"}) + b'{"text": "'))
        for _ in range(64):
            file.write(compressor.compress(b"a" * (16 << 20)))
        file.write(compressor.compress(b'"}\n' + json_lines({"text": "after"})))
        file.write(compressor.flush())
    found = subprocess.run([sys.executable, "-c", READ_ONE, str(path)], capture_output=True, text=True, check=True)
    texts, reasons, peak_mib = found.stdout.strip().split("|")
    assert (texts, reasons) == ("['before', 'after']", "['jsonl.too_large']")
    assert int(peak_mib) < 500
