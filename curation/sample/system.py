"""Text that the operating system brings, much of it translated: manual pages, message catalogues, questions."""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from curation.sample.machine import MOST_FILE_BYTES, Found, Machine, fair, files, found, read_text
from curation.sample.manual import plain_text

CATALOGUE_MAGIC = 0x950412DE
SHORTEST_MESSAGE = 60  # bytes: labels of buttons are no text
LONGEST_CATALOGUE = 20_000  # characters
DESCRIPTION = re.compile(r"(?:Extended_)?[Dd]escription(?:-([a-z]{2,3}(?:_[A-Z]{2})?(?:@[a-z]+)?)\.UTF-8)?: (.*)")


def manuals(machine: Machine, count: int) -> Iterator[Found]:
    """Manual pages, from every language some."""
    every = files(machine.system, "usr/share/man/man*/*") + files(machine.system, "usr/share/man/*/man*/*")
    for path in fair(every, count, lambda path: path.parts[-3]):
        page = None if path.is_symlink() else read_text(path)
        if page is not None:
            yield found(machine, path, plain_text(page))


def translations(machine: Machine, count: int) -> Iterator[Found]:
    """The longer messages of gettext catalogues, one document a program and language."""
    every = files(machine.system, "usr/share/locale/*/LC_MESSAGES/*.mo")
    every += [path for path in machine.package_files if path.suffix == ".mo"]
    for path in fair(every, count, lambda path: path.parts[-3]):
        yield found(machine, path, _catalogue_text(path))


def questions(machine: Machine, count: int) -> Iterator[Found]:
    """What Debian's packages ask when they are installed, one document a package and language."""
    documents = [
        found(machine, path, text, part=language)
        for path in files(machine.system, "var/lib/dpkg/info/*.templates")
        for language, text in sorted(_descriptions(read_text(path) or "").items())
    ]
    yield from fair(documents, count, lambda document: document.url.rpartition("#")[2])


def _catalogue_text(path: Path) -> str:
    """The longer messages of a .mo file, paragraphs; empty for what is none, or is not in UTF-8."""
    messages: list[str] = []
    try:
        data = path.read_bytes() if path.stat().st_size <= MOST_FILE_BYTES else b""
        order = "<" if struct.unpack_from("<I", data)[0] == CATALOGUE_MAGIC else ">"
        magic, _, count, _, table = struct.unpack_from(f"{order}5I", data)
        if magic != CATALOGUE_MAGIC:
            return ""
        for number in range(1, count):  # the first is the catalogue's header
            length, offset = struct.unpack_from(f"{order}2I", data, table + 8 * number)
            if length >= SHORTEST_MESSAGE:
                messages.append(data[offset : offset + length].split(b"\0")[0].decode().strip())
    except (OSError, struct.error, UnicodeDecodeError):
        return ""
    return "\n\n".join(messages)[:LONGEST_CATALOGUE]


def _descriptions(templates: str) -> dict[str, str]:
    """The text by language (`en` where none is named) of a debconf template file."""
    texts: dict[str, list[str]] = defaultdict(list)
    current: list[str] | None = None
    for line in templates.splitlines():
        described = DESCRIPTION.fullmatch(line)
        if described:
            current = texts[described[1] or "en"]
            current.append(f"\n{described[2]}\n")
        elif current is not None and line.startswith(" "):
            current.append("" if line == " ." else line.strip())
        else:
            current = None
    return {language: "\n".join(lines).strip() for language, lines in texts.items()}
