"""Where recipes may read and write: a recipe's addresses, confined to some folders and buckets' prefixes.

An address that a user gives is read once, here, strictly, and becomes one canonical spelling: an absolute path, or
`s3://bucket/key`. That spelling goes into the job, so that nobody behind this door reads the user's own again. Nothing
is reached: no network, no DNS; of a local path only the links on the way are looked at, and of a glob or folder that a
stage reads the files that it stands for.

A link that is put in place between this look and the opening of the file is not seen. `check` asks again at run time
for the files that a glob has found; what is left is the moment between that and `open`. Whoever can make links below a
root can use it: give such people a root of their own, and the runner a user that may read no more than it should.
"""

from __future__ import annotations

import copy
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

import curation.recipe  # noqa: F401 - every kind of stage is known once it is imported
from curation.errors import Problem, StorageError
from curation.stage import Stage, stage_kinds
from curation.storage import check_corpus_url, find_all, object_url
from services.errors import Invalid

MAX_LENGTH = 4096
"""The longest address, in bytes of UTF-8: Linux' PATH_MAX."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_WILD = re.compile(r"[*?\[]")
_HIDDEN_DOTS = re.compile(r"%(2e|2f|5c|00|25)", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Refused(Exception):  # noqa: N818, it never leaves this module
    """Why an address is not taken."""


class Confinement:
    """The roots of a project: folders, and prefixes `s3://bucket/…`. Raises Invalid for what can be no root."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.folders: list[str] = []
        self.prefixes: list[str] = []
        problems = []
        for index, root in enumerate(roots):
            try:
                self._add(root)
            except Refused as error:
                problems.append(Problem(f"roots.{index}", str(error)))
        _refuse("the roots are wrong", problems)

    def recipe(self, body: dict[str, Any]) -> dict[str, Any]:
        """A copy of a recipe's data with every address canonical: the sources' `uri`, `output`, and the files that
        stages read. Relative paths are below the first root that is a folder.

        Fields that are missing or of another type are left for the recipe's own validation. Raises Invalid, with every
        address that is no address or is not within a root, by its path in the recipe.
        """
        confined = copy.deepcopy(body)
        problems: list[Problem] = []
        for path, holder, key, canonical in self._addresses(confined):
            try:
                holder[key] = canonical(holder[key])
            except Refused as error:
                problems.append(Problem(path, str(error)))
        _refuse("the recipe leads out of where this project may read and write", problems)
        return confined

    def corpus(self, url: str) -> str:
        """The canonical address of a corpus that a user names. Raises Invalid, at `url`."""
        try:
            return self._corpus(url)
        except Refused as error:
            raise Invalid(str(error), problems=[Problem("url", str(error))]) from None

    def check(self, uris: Iterable[str]) -> None:
        """Raises Invalid unless each of these plain addresses (absolute paths or s3:// URLs, as a listing gives them)
        lies within a root, links followed."""
        problems = []
        for index, uri in enumerate(uris):
            try:
                self._check_found(uri)
            except Refused as error:
                problems.append(Problem(f"uris.{index}", str(error)))
        _refuse("there are files outside of where this project may read and write", problems)

    # ------------------------------------------------------------------------ roots

    def _add(self, root: str) -> None:
        _check_text(root)
        if root.lower().startswith("s3://"):
            bucket, parts = _s3_parts(root)
            if _WILD.search("/".join(parts)):
                raise Refused(f"{_shown(root)}: a root has no wildcards")
            self.prefixes.append("/".join([f"s3://{bucket}", *parts]))
            return
        if not root or _SCHEME.match(root) or root.startswith("~") or _WILD.search(root):
            raise Refused(
                f"{_shown(root)} is no root; expected a folder's path without wildcards, or s3://bucket/prefix"
            )
        self.folders.append(_absolute(root))

    # -------------------------------------------------------------------- addresses

    def _addresses(self, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str, Callable[[str], str]]]:
        """Each address in a recipe's data: its path, the mapping that holds it, its key there, what confines it."""
        if isinstance(body.get("output"), str):
            yield "output", body, "output", self._corpus
        for index, source in _mappings(body.get("sources")):
            if isinstance(source.get("uri"), str):
                yield f"sources.{index}.uri", source, "uri", self._confined
        for index, stage in _mappings(body.get("stages")):
            kind = stage_kinds().get(str(stage.get("kind")), Stage)
            for field, built_in in kind.files.items():
                if isinstance(stage.get(field), str) and stage[field] not in built_in:
                    several = kind.file_sets.get(field)
                    canonical = self._file if several is None else partial(self._files, within=several)
                    yield f"stages.{index}.{field}", stage, field, canonical
                for number, item in _mappings(stage.get(field)):
                    if isinstance(item.get("path"), str):
                        yield f"stages.{index}.{field}.{number}.path", item, "path", self._file

    def _corpus(self, url: str) -> str:
        address = self._confined(url)
        try:
            check_corpus_url(address)
        except StorageError as error:
            raise Refused(str(error)) from None
        if _WILD.search(address):
            raise Refused(f"{_shown(url)}: the address of a corpus has no wildcards")
        return address

    def _file(self, uri: str) -> str:
        """One file: its links are followed here, which a wildcard would hide."""
        if _WILD.search(uri):
            raise Refused(f"{_shown(uri)}: found a wildcard, expected one file")
        return self._confined(uri)

    def _files(self, uri: str, within: str) -> str:
        """A file, a glob, or a folder, which stands for what `within` matches below it; their links are followed."""
        address = self._confined(uri)
        if not address.startswith("s3://"):
            try:
                storage, found = find_all(address, within)
            except StorageError as error:
                raise Refused(f"{_shown(uri)}: {error}") from None
            for entry in found:
                self._check_found(object_url(storage, entry.key))
        return address

    def _confined(self, uri: str) -> str:
        _check_text(uri)
        if _HIDDEN_DOTS.search(uri) and not uri.lower().startswith("file:"):
            raise Refused(f"{_shown(uri)}: found a dot, slash or percent sign in percent-encoding; write it plainly")
        if uri.lower().startswith("s3://"):
            address = _s3_address(uri)
            self._check_s3(address, uri)
            return address
        address = self._path(uri)
        self._check_path(address, uri)
        return address

    def _path(self, uri: str) -> str:
        """The absolute path that a local address means."""
        scheme = _SCHEME.match(uri)
        path = _file_path(uri) if scheme and scheme[1].lower() == "file" else uri
        if scheme and path is uri:
            raise Refused(
                f"{_shown(uri)}: {scheme[1]}: is no scheme known here; expected a path (./{scheme[1]}:… for such "
                "a name), or s3://bucket/key"
            )
        if path.startswith("~"):
            raise Refused(f"{_shown(uri)}: '~' is nobody's here; write the whole path")
        if not path:
            raise Refused("found nothing, expected a path or s3://bucket/key")
        wild = _first_wild_part(path)
        if ".." in path.split("/")[wild:]:
            raise Refused(f"{_shown(uri)}: found '..' behind a wildcard")
        if not path.startswith("/"):
            if not self.folders:
                raise Refused(f"{_shown(uri)} is relative, and no root here is a folder; write s3://bucket/key")
            path = f"{self.folders[0]}/{path}"
        ending = "/" if path.endswith("/") and path.strip("/") else ""
        return _absolute(path) + ending

    # -------------------------------------------------------------------- the checks

    def _check_found(self, uri: str) -> None:
        if "\0" in uri or not uri:
            raise Refused(f"{_shown(uri)} is no address")
        if uri.startswith("s3://"):
            _s3_parts(uri)
            self._check_s3(uri, uri)
        elif uri.startswith("/"):
            self._check_path(_absolute(uri), uri)
        else:
            raise Refused(f"{_shown(uri)}: expected an absolute path or s3://bucket/key")

    def _check_s3(self, address: str, uri: str) -> None:
        """Of a glob, what comes before its first wildcard must be below a root: the rest only adds to it."""
        parts = address.split("/")
        literal = "/".join(parts[: _first_wild_part(address)])
        if not any(_is_below(literal, root) for root in self.prefixes):
            raise Refused(f"{_shown(uri)} is not below a root of this project")

    def _check_path(self, path: str, uri: str) -> None:
        """The path as it is written, and as it is with its links followed, must both be below a root."""
        try:
            real = os.path.realpath(path)
            roots = [os.path.realpath(folder) for folder in self.folders]
        except (OSError, ValueError) as error:
            raise Refused(f"{_shown(uri)}: {error}") from None
        literal = "/".join(path.split("/")[: _first_wild_part(path)]) or "/"
        written = os.path.realpath(literal)
        if not any(_is_below(real, root) and _is_below(written, root) for root in roots):
            raise Refused(f"{_shown(uri)} is not below a root of this project, or a link on its way leads out")


def _mappings(items: object) -> Iterator[tuple[int, dict[str, Any]]]:
    if isinstance(items, list | tuple):
        yield from ((index, item) for index, item in enumerate(items) if isinstance(item, dict))


def _check_text(uri: str) -> None:
    """Raises Refused for what is no plain text, or reads as something that it is not."""
    if len(uri) > MAX_LENGTH or len(uri.encode(errors="replace")) > MAX_LENGTH:
        raise Refused(f"{_shown(uri)}: longer than {MAX_LENGTH} bytes")
    found = next((c for c in uri if unicodedata.category(c) in _UNPRINTABLE), None)
    if found is not None:
        raise Refused(f"{_shown(uri)}: found {found!r}, which no address has")
    if "\\" in uri:
        raise Refused(f"{_shown(uri)}: found a backslash; parts of a path are separated by '/'")
    for part in uri.split("/"):
        plain = unicodedata.normalize("NFKC", part)
        if plain != part and (plain in {".", ".."} or {"/", "\\", ":", "~", "%"} & (set(plain) - set(part))):
            raise Refused(f"{_shown(uri)}: {part!r} looks like {plain!r}, and is not")


def _file_path(uri: str) -> str:
    """The path of a `file:` URL, decoded once."""
    rest = uri[len("file:") :]
    if not rest.startswith("//"):
        raise Refused(f"{_shown(uri)}: expected file:///absolute/path")
    host, slash, path = rest[2:].partition("/")
    if host not in {"", "localhost"} or not slash:
        raise Refused(f"{_shown(uri)}: a file:// URL has no host; expected file:///absolute/path")
    try:
        decoded = unquote_to_bytes(f"/{path}").decode()
    except UnicodeDecodeError:
        raise Refused(f"{_shown(uri)}: its percent-encoding is no UTF-8") from None
    _check_text(decoded)
    if _HIDDEN_DOTS.search(decoded):
        raise Refused(f"{_shown(uri)}: it is percent-encoded twice")
    if decoded.startswith("//"):
        raise Refused(f"{_shown(uri)}: expected file:///absolute/path")
    return decoded


def _s3_address(uri: str) -> str:
    bucket, parts = _s3_parts(uri)
    ending = "/" if uri.endswith("/") and parts else ""
    return "/".join([f"s3://{bucket}", *parts]) + ending


def _s3_parts(uri: str) -> tuple[str, list[str]]:
    """The bucket, and the parts of the key. Raises Refused for parts that a client on the way might tidy up."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    if not _BUCKET.fullmatch(bucket):  # it is not repeated: it may hold a secret
        raise Refused("s3://…: found no plain bucket name; expected s3://bucket/key, without a port, user or wildcard")
    parts = key.removesuffix("/").split("/") if key else []
    if {"", ".", ".."} & set(parts):
        raise Refused(f"{_shown(uri)}: found an empty part, '.' or '..' in its key")
    return bucket, parts


def _absolute(path: str) -> str:
    absolute = os.path.abspath(path)  # noqa: PTH100 - Path.resolve would replace links by their targets
    return f"/{absolute.lstrip('/')}"


def _first_wild_part(path: str) -> int:
    """The number of the first part with a wildcard; how many parts there are where there is none."""
    parts = path.split("/")
    return next((index for index, part in enumerate(parts) if _WILD.search(part)), len(parts))


def _is_below(path: str, root: str) -> bool:
    """Whether it is the root, or begins with it at the end of a part."""
    return path.rstrip("/") == root.rstrip("/") or path.startswith(f"{root.rstrip('/')}/")


def _refuse(what: str, problems: Sequence[Problem]) -> None:
    if problems:
        raise Invalid(f"{what}: {'; '.join(map(str, problems[:3]))}", problems=problems)


def _shown(uri: str) -> str:
    return repr(uri if len(uri) <= 200 else f"{uri[:200]}…")
