"""Programming languages by the name of a file: its extension, or all of it."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from curation.document import ID, URL

_EXTENSIONS = {
    "Assembly": "asm s",
    "Bash": "sh bash zsh",
    "C": "c h",
    "C#": "cs",
    "C++": "cc cpp cxx c++ hh hpp hxx",
    "CMake": "cmake",
    "CSS": "css scss sass less",
    "CSV": "csv tsv",
    "Clojure": "clj cljs cljc",
    "Cuda": "cu cuh",
    "Dart": "dart",
    "Elixir": "ex exs",
    "Elm": "elm",
    "Erlang": "erl hrl",
    "F#": "fs fsx fsi",
    "Fortran": "f f77 f90 f95 f03 f08",
    "Go": "go",
    "Groovy": "groovy gradle",
    "HCL": "tf hcl",
    "HTML": "html htm xhtml",
    "Haskell": "hs lhs",
    "JSON": "json jsonl geojson",
    "Java": "java",
    "JavaScript": "js mjs cjs jsx",
    "Julia": "jl",
    "Jupyter": "ipynb",
    "Kotlin": "kt kts",
    "Lua": "lua",
    "Makefile": "mk mak",
    "Markdown": "md markdown",
    "Nix": "nix",
    "OCaml": "ml mli",
    "Objective-C": "m mm",
    "PHP": "php phtml",
    "Perl": "pl pm",
    "PowerShell": "ps1 psm1",
    "Protocol Buffers": "proto",
    "Python": "py pyi pyw",
    "R": "r",
    "Ruby": "rb rake gemspec",
    "Rust": "rs",
    "SQL": "sql",
    "SVG": "svg",
    "Scala": "scala sbt",
    "Scheme": "scm ss",
    "Solidity": "sol",
    "Swift": "swift",
    "TOML": "toml",
    "TeX": "tex sty cls",
    "TypeScript": "ts mts cts tsx",
    "VHDL": "vhd vhdl",
    "Verilog": "v sv svh",
    "Vue": "vue",
    "XML": "xml xsd xsl xslt",
    "YAML": "yaml yml",
    "Zig": "zig",
    "reStructuredText": "rst",
}
_NAMES = {
    "makefile": "Makefile",
    "gnumakefile": "Makefile",
    "dockerfile": "Dockerfile",
    "cmakelists.txt": "CMake",
    "gemfile": "Ruby",
    "rakefile": "Ruby",
    "jenkinsfile": "Groovy",
}
_BY_EXTENSION = {extension: name for name, listed in _EXTENSIONS.items() for extension in listed.split()}
LANGUAGES = frozenset({*_EXTENSIONS, *_NAMES.values()})

_FILE = r"(?P<name>[^/\\?#]+)(?:[?#].*)?$"
_EXTENSION = r"\.(?P<extension>[^.]+)$"


def languages(batch: pa.RecordBatch) -> pa.StringArray:
    """The language of each document by its address, else by its id; null where neither says."""
    return pc.coalesce(_languages(batch[URL]), _languages(batch[ID]))


def _languages(paths: pa.StringArray) -> pa.StringArray:
    names = pc.utf8_lower(pc.struct_field(pc.extract_regex(paths, _FILE), "name"))
    extensions = pc.struct_field(pc.extract_regex(names, _EXTENSION), "extension")
    return pc.coalesce(_looked_up(names, _NAMES), _looked_up(extensions, _BY_EXTENSION))


def _looked_up(keys: pa.StringArray, table: dict[str, str]) -> pa.StringArray:
    places = pc.index_in(keys, pa.array(table, pa.string()))
    return pa.array(table.values(), pa.string()).take(places)
