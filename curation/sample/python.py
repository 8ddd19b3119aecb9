"""Text in Python's own world: what packages say of themselves, their licences, sources and documentation."""

from __future__ import annotations

import ast
import gzip
import html
import json
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

from curation.sample.machine import Found, Machine, fair, files, found, read_text

LICENCE_NAME = re.compile(r"licen[cs]e|copying|notice|copyright", re.IGNORECASE)
LICENCE_SUFFIXES = {"", ".txt", ".md", ".rst"}
DOCUMENTATION_SUFFIXES = {".txt", ".rst", ".md"}
ELSEWHERE = re.compile(rf"{LICENCE_NAME.pattern}|/tests?/", re.IGNORECASE)
OPERATIONS = 12
TAG = re.compile(r"<[^>]*>")
END_OF_BLOCK = re.compile(r"</(?:p|li|h\d|note|important)>")


def descriptions(machine: Machine, count: int) -> Iterator[Found]:
    """The long description of each installed package."""
    for path in files(machine.site_packages, "*.dist-info/METADATA")[:count]:
        package = Distribution.at(path.parent)
        text = package.metadata.json.get("description")
        if isinstance(text, str):
            yield found(machine, path, text, license=_licence(package))


def licences(machine: Machine, count: int) -> Iterator[Found]:
    """The licence files of packages, and the system's copyright files; the same licence comes many times over."""
    packaged = [
        path for path in machine.package_files if LICENCE_NAME.search(path.name) and path.suffix in LICENCE_SUFFIXES
    ]
    system = files(machine.system, "usr/share/doc/*/copyright") + files(machine.system, "usr/share/common-licenses/*")
    chosen = [*fair(packaged, count // 2, lambda _: ""), *fair(system, count // 2, lambda _: "")]
    for path in chosen:
        text = read_text(path)
        if text is not None:
            yield found(machine, path, text)


def modules(machine: Machine, count: int) -> Iterator[Found]:
    """Python sources, from every package some."""
    for path in fair(_sources(machine), count, lambda path: _package(machine, path)):
        text = read_text(path)
        if text is not None:
            yield found(machine, path, text)


def docstrings(machine: Machine, count: int) -> Iterator[Found]:
    """What the classes and functions of modules say of themselves, one document a module."""
    half_say_little = 2 * count
    for path in fair(_sources(machine), half_say_little, lambda path: _package(machine, path)):
        text = "\n\n".join(_docstrings(read_text(path) or ""))
        yield found(machine, path, text, part="docstrings")


def documentation(machine: Machine, count: int) -> Iterator[Found]:
    """Python's own reference by topic, and the text files that it and packages bring."""
    topics = machine.standard_library / "pydoc_data" / "topics.py"
    for value in _assigned(topics):
        if isinstance(value, dict):
            yield from (found(machine, topics, text, part=name) for name, text in sorted(value.items()))
    every = [
        path
        for path in machine.library_files + machine.package_files
        if path.suffix in DOCUMENTATION_SUFFIXES and not ELSEWHERE.search(machine.address(path))
    ]
    for path in fair(every, count, lambda path: _package(machine, path)):
        text = read_text(path)
        if text is not None:
            yield found(machine, path, text)


def services(machine: Machine, count: int) -> Iterator[Found]:
    """What botocore says of the operations of web services: much alike from one service to the next."""
    every = files(machine.site_packages, "botocore/data/*/*/service-2.json.gz")
    for path in fair(every, count // OPERATIONS, lambda _: ""):
        with gzip.open(path) as file:
            operations = json.load(file).get("operations", {})
        told = [name for name in sorted(operations) if len(operations[name].get("documentation", "")) > 400]
        for name in fair(told, OPERATIONS, lambda _: ""):
            text = TAG.sub("", END_OF_BLOCK.sub("\n\n", operations[name]["documentation"]))
            yield found(machine, path, html.unescape(text), part=name, license="Apache-2.0")


def sentences(machine: Machine, count: int) -> Iterator[Found]:
    """spaCy's example sentences, one document a language."""
    for path in files(machine.site_packages, "spacy/lang/*/examples.py")[:count]:
        lists = [value for value in _assigned(path) if isinstance(value, list)]
        yield found(machine, path, "\n".join(str(text) for value in lists for text in value), license="MIT")


def _licence(package: Distribution) -> str | None:
    """The licence that a package states, where it states it briefly."""
    metadata = package.metadata.json
    stated = str(metadata.get("license_expression") or metadata.get("license") or "")
    classified = [name.split(" :: ")[-1] for name in metadata.get("classifier", []) if name.startswith("License")]
    return stated if 0 < len(stated) <= 80 else "; ".join(classified) or None


def _sources(machine: Machine) -> list[Path]:
    return [path for path in machine.library_files + machine.package_files if path.suffix == ".py"]


def _package(machine: Machine, path: Path) -> str:
    """The package of a file; Python's own library counts as one."""
    return path.relative_to(machine.site_packages).parts[0] if path.is_relative_to(machine.site_packages) else ""


def _docstrings(source: str) -> Iterator[str]:
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


def _assigned(path: Path) -> Iterator[object]:
    """The literals that a module assigns to names, without running it; none where there is no such module."""
    for node in _parsed(read_text(path) or "").body:
        if isinstance(node, ast.Assign):
            try:
                yield ast.literal_eval(node.value)
            except ValueError:
                continue


def _parsed(source: str) -> ast.Module:
    """The module's syntax; an empty one where it has none that this Python knows."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the strings in other people's code
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
