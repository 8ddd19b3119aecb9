"""Where a machine keeps text, and what is found there."""

from __future__ import annotations

import gzip
import os
import sysconfig
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

MOST_FILE_BYTES = 1_000_000

Item = TypeVar("Item")


@dataclass(frozen=True)
class Machine:
    """The places to look in."""

    site_packages: Path
    """Installed Python packages."""
    standard_library: Path
    system: Path
    """The root of the file system, `/`."""

    @classmethod
    def this(cls) -> Machine:
        """The machine, and the environment, that this runs on."""
        return cls(Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib")), Path("/"))

    @cached_property
    def package_files(self) -> list[Path]:
        """Every file of the installed packages, sorted."""
        return _tree(self.site_packages)

    @cached_property
    def library_files(self) -> list[Path]:
        """Every file of Python's own library, sorted; packages that lie within it left out."""
        every = _tree(self.standard_library)
        return [path for path in every if "site-packages" not in path.relative_to(self.standard_library).parts]

    def address(self, path: Path) -> str:
        """A file's name in documents: below its place, so that no user's home shows."""
        for place, name in ((self.site_packages, "site-packages"), (self.standard_library, "python")):
            if path.is_relative_to(place):
                return f"{name}/{path.relative_to(place).as_posix()}"
        return f"/{path.relative_to(self.system).as_posix()}"


@dataclass(frozen=True)
class Found:
    """A text, where it was found, and under which licence if that is known."""

    url: str
    text: str
    added: datetime
    license: str | None = None


def found(machine: Machine, path: Path, text: str, *, part: str = "", license: str | None = None) -> Found:
    """A text of this file, or of a part of it; its time is the file's."""
    added = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    return Found(machine.address(path) + (f"#{part}" if part else ""), text, added, license)


def read_text(path: Path) -> str | None:
    """The file's text, `.gz` decompressed; None for what is no text in UTF-8, unreadable, or over 1 MB."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
        text = data.decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None
    return None if len(data) > MOST_FILE_BYTES or "\0" in text else text


def files(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that match, sorted; none where there is no such folder."""
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _tree(folder: Path) -> list[Path]:
    return sorted(Path(above, name) for above, _, names in os.walk(folder) for name in names)


def fair(items: Iterable[Item], count: int, group: Callable[[Item], str]) -> Iterator[Item]:
    """At most `count` of the items, as evenly from every group as they have them, and evenly from within each."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[group(item)].append(item)
    chosen: dict[str, list[Item]] = {}
    for position, name in enumerate(sorted(groups, key=lambda name: (len(groups[name]), name))):
        members = groups[name]
        share = min(len(members), count // (len(groups) - position))
        count -= share
        chosen[name] = [members[index * len(members) // share] for index in range(share)]
    for name in sorted(chosen):
        yield from chosen[name]
