"""Text in Python's own world: what packages say of themselves, their licences, sources and documentation."""

from __future__ import annotations

import ast
import gzip
import html
import json
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from curation.sample.machine import Found, Machine, fair, files, found, read_text

LICENCE_NAME = re.compile(r"(licen[cs]e|copying|notice|copyright)", re.IGNORECASE)
CODE_SUFFIXES = {".py", ".pyi", ".pyc", ".so", ".h", ".c", ".json", ".js"}
DOCUMENTATION_SUFFIXES = {".txt", ".rst", ".md"}
TAG = re.compile(r"<[^>]*>")
END_OF_BLOCK = re.compile(r"</(p|li|h\d|note|important)>")


def descriptions(machine: Machine, count: int) -> Iterator[Found]:
    """The long description of each installed package."""
    for distribution in _distributions(machine)[:count]:
        path = _folder(machine, distribution) / "METADATA"
        text = distribution.metadata.get_payload()
        if isinstance(text, str) and path.is_file():
            yield found(machine, path, text, license=_licence(distribution))


def licences(machine: Machine, count: int) -> Iterator[Found]:
    """The licence files of packages, and the system's copyright files; the same licence comes many times over."""
    names = {_folder(machine, each).name: _licence(each) for each in _distributions(machine)}
    packaged = [
        path
        for path in files(machine.site_packages, "**/*")
        if LICENCE_NAME.search(path.name) and path.suffix not in CODE_SUFFIXES
    ]
    system = files(machine.system, "usr/share/doc/*/copyright") + files(machine.system, "usr/share/common-licenses/*")
    for path in [*fair(packaged, count // 2, lambda _: ""), *fair(system, count // 2, lambda _: "")]:
        text = read_text(path)
        if text is not None:
            owner = path.relative_to(machine.site_packages).parts[0] if path in packaged else ""
            yield found(machine, path, text, license=names.get(owner))


def modules(machine: Machine, count: int) -> Iterator[Found]:
    """Python sources, from every package some."""
    for path in fair(_sources(machine), count, lambda path: _package(machine, path)):
        text = read_text(path)
        if text is not None:
            yield found(machine, path, text)


def docstrings(machine: Machine, count: int) -> Iterator[Found]:
    """The docstrings of modules, classes and functions, one document each."""
    every = fair(_sources(machine), count, lambda path: _package(machine, path))
    for path in every:
        for name, text in _docstrings(read_text(path) or ""):
            yield found(machine, path, text, part=name)


def documentation(machine: Machine, count: int) -> Iterator[Found]:
    """Text files that packages and Python bring, and Python's own reference by topic."""
    topics = machine.standard_library / "pydoc_data" / "topics.py"
    for name, text in _literals(topics, dict):
        yield found(machine, topics, text, part=name)
    every = [
        path
        for place in (machine.standard_library, machine.site_packages)
        for path in files(place, "**/*")
        if path.suffix in DOCUMENTATION_SUFFIXES and not LICENCE_NAME.search(path.as_posix())
    ]
    every = [path for path in every if path.is_relative_to(machine.site_packages) or "site-packages" not in path.parts]
    for path in fair(every, count, lambda path: _package(machine, path)):
        text = read_text(path)
        if text is not None:
            yield found(machine, path, text)


def services(machine: Machine, count: int) -> Iterator[Found]:
    """What botocore says of the operations of web services: much alike, from one service to the next."""
    for path in fair(files(machine.site_packages, "botocore/data/*/*/service-2.json.gz"), count // 8, lambda _: ""):
        with gzip.open(path) as file:
            service = json.load(file)
        operations = sorted(service.get("operations", {}).items())
        for name, operation in fair(operations, 8, lambda _: ""):
            text = TAG.sub("", END_OF_BLOCK.sub("\n\n", operation.get("documentation", "")))
            yield found(machine, path, html.unescape(text), part=name, license="Apache-2.0")


def sentences(machine: Machine, count: int) -> Iterator[Found]:
    """spaCy's example sentences, one document a language."""
    for path in files(machine.site_packages, "spacy/lang/*/examples.py")[:count]:
        text = "\n".join(text for _, text in _literals(path, list))
        yield found(machine, path, text, license="MIT")


def _distributions(machine: Machine) -> list[Distribution]:
    every = distributions(path=[str(machine.site_packages)])
    return sorted(every, key=lambda distribution: distribution.metadata["Name"].lower())


def _folder(machine: Machine, distribution: Distribution) -> Path:
    """Where the distribution's own files lie: its `.dist-info`."""
    name = re.sub(r"[-_.]+", "_", distribution.metadata["Name"])
    for folder in (name, name.lower()):
        path = machine.site_packages / f"{folder}-{distribution.version}.dist-info"
        if path.is_dir():
            return path
    located = distribution.locate_file("")
    return Path(str(located)) / f"{distribution.metadata['Name']}-{distribution.version}.dist-info"


def _licence(distribution: Distribution) -> str | None:
    metadata = distribution.metadata
    stated = metadata.get("License-Expression") or metadata.get("License") or ""
    classified = [name.split(" :: ")[-1] for name in metadata.get_all("Classifier", []) if name.startswith("License")]
    return stated if 0 < len(stated) <= 80 else "; ".join(classified) or None


def _sources(machine: Machine) -> list[Path]:
    own = [path for path in files(machine.standard_library, "**/*.py") if "site-packages" not in path.parts]
    return own + files(machine.site_packages, "**/*.py")


def _package(machine: Machine, path: Path) -> str:
    """The package of a file; the standard library is one."""
    return machine.address(path).split("/")[1] if path.is_relative_to(machine.site_packages) else "python"


def _docstrings(source: str) -> Iterator[tuple[str, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the strings of other people's code
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"L{getattr(node, 'lineno', 0)}", text


def _literals(path: Path, kind: type[dict[str, str]] | type[list[str]]) -> Iterator[tuple[str, str]]:
    """(name, text) of the strings in the dictionaries or lists that a module assigns, without running it."""
    tree = ast.parse(read_text(path) or "")
    values = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    for value in values:
        if kind is dict and isinstance(value, ast.Dict):
            pairs = zip(value.keys, value.values, strict=True)
            yield from ((str(k.value), str(v.value)) for k, v in pairs if _is_text(k) and _is_text(v))
        elif kind is list and isinstance(value, ast.List):
            yield from ((str(n), str(v.value)) for n, v in enumerate(value.elts) if _is_text(v))
