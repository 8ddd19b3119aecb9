"""The part of requirements.lock that a set of packages needs, with its hashes; by default what the services need."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("telemetry",)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VIA = re.compile(r"^    #(?: via)? +([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """One package of the lock: its lines, and whom it is there for."""

    text: str
    needed_by: frozenset[str]


def main(roots: Iterable[str]) -> None:
    """Print the part of the lock."""
    pins = read_lock((ROOT / "requirements.lock").read_text())
    wanted = closure(list(roots) or direct_requirements((ROOT / "pyproject.toml").read_text()), pins)
    sys.stdout.writelines(pins[name].text for name in sorted(wanted))


def direct_requirements(pyproject: str) -> list[str]:
    """What the project itself asks for, with its extras for production."""
    project = tomllib.loads(pyproject)["project"]
    asked = [*project["dependencies"], *(line for extra in EXTRAS for line in project["optional-dependencies"][extra])]
    return [_normal(_NAME.match(line)[0]) for line in asked]  # type: ignore[index]


def read_lock(text: str) -> dict[str, Pin]:
    """The lock's packages by name. Each begins in the first column; `# via` lines say whom it is there for."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    found = ((_NAME.match(block), block) for block in blocks)
    return {_normal(n[0]): Pin(block, frozenset(map(_normal, _VIA.findall(block)))) for n, block in found if n}


def closure(roots: Iterable[str], pins: Mapping[str, Pin]) -> set[str]:
    """The roots and everything that they need. Raises KeyError for a root that is not locked."""
    wanted, waiting = set[str](), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in pins:
            raise KeyError(f"{name} is not in requirements.lock; run make lock")
        if name not in wanted:
            wanted.add(name)
            waiting.extend(other for other, pin in pins.items() if name in pin.needed_by)
    return wanted


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(sys.argv[1:])
