"""A corpus's versions as a line of dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.dashboard.links import version_home
from services.insights.flow import Unit
from services.insights.models import VersionSummary


@dataclass(frozen=True)
class Dot:
    """One version in the picture: its place in per cent from the left and from the top."""

    version: VersionSummary
    x: float
    y: float
    label: str
    address: str
    classes: str


@dataclass(frozen=True)
class Line:
    """How much the versions hold, oldest first, over an axis from 0."""

    unit: Unit
    most: int
    dots: tuple[Dot, ...]

    @property
    def points(self) -> str:
        """For a polyline in a box of 100 by 100."""
        return " ".join(f"{dot.x:.3f},{dot.y:.3f}" for dot in self.dots)


@dataclass(frozen=True)
class Marks:
    """What keeps versions, by their numbers."""

    tags: Mapping[int, Sequence[str]]
    holds: Mapping[int, str]


def line_of(name: str, versions: Sequence[VersionSummary], chosen: int, unit: Unit, marks: Marks) -> Line:
    counted = [(version, getattr(version, unit)) for version in reversed(versions)]
    counted = [(version, amount) for version, amount in counted if amount is not None]
    most = max((amount for _, amount in counted), default=0)
    return Line(
        unit,
        most,
        tuple(
            Dot(
                version,
                x=100 * (place + 0.5) / len(counted),
                y=100 - 100 * amount / max(1, most),
                label=", ".join([
                    f"version {version.version}: {amount:,} {unit}",
                    *marks.tags.get(version.version, ()),
                    *(["legal hold"] if version.version in marks.holds else []),
                ]),
                address=version_home(name, version.version),
                classes=" ".join(
                    kind
                    for kind, is_so in (
                        ("chosen", version.version == chosen),
                        ("tagged", version.version in marks.tags),
                        ("held", version.version in marks.holds),
                        ("gone", version.gone is not None),
                    )
                    if is_so
                ),
            )
            for place, (version, amount) in enumerate(counted)
        ),
    )  # fmt: skip
