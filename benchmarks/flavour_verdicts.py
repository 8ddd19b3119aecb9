"""What dolma and DCLM say of texts: one JSON line for each on standard input. Runs inside the peers' own environment.

    benchmarks/.peers/flavours/bin/python benchmarks/flavour_verdicts.py DCLM < QUESTIONS

DCLM is a checkout of github.com/mlfoundations/dclm, which is no package. A question is {"kind", "options", "text"}, the
options those of our stage. An answer is {"values", "left"} for dolma, {"reason", "left"} for DCLM; `left` is null for
rules that do not rewrite, and where the document is dropped. What neither tool needs here is not installed: an empty
module stands in for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

Page = dict[str, str]
Step = tuple[str, Callable[[Page], list[Page]]]

_NOT_NEEDED = ("transformers", "justext", "lxml", "lxml.etree", "retrie", "retrie.retrie", "bs4")
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def main() -> None:
    checkout = Path(sys.argv[1]) / "baselines"
    sys.path[:0] = [str(checkout.parent), str(checkout)]
    for name in _NOT_NEEDED:
        sys.modules[name] = _Empty(name)
    installed = importlib.util.find_spec("dolma")
    dolma = Path(str(installed and installed.origin)).parent
    for name, path in (
        *(("dolma", dolma), ("dolma.core", dolma / "core"), ("dolma.taggers", dolma / "taggers")),
        *(("core", checkout / "core"), ("baselines.core", checkout / "core")),
        *(("baselines.mappers", checkout / "mappers"), ("baselines.mappers.filters", checkout / "mappers" / "filters")),
    ):
        package = sys.modules[name] = ModuleType(name)  # without what its __init__ would import
        package.__path__ = [str(path)]
    gopher, c4 = (importlib.import_module(f"dolma.taggers.{name}") for name in ("gopher", "c4"))
    data_types = importlib.import_module("dolma.core.data_types")
    filters = importlib.import_module("baselines.mappers.filters.content_filters")
    modifiers = importlib.import_module("baselines.mappers.modifiers")
    steps = {
        "gopher_quality": _quality,
        "gopher_repetition": _repetition,
        "c4": _c4,
        "line_modifiers": _lines,
    }
    for line in sys.stdin:
        question = json.loads(line)
        kind, options, text = question["kind"], question["options"], question["text"]
        if options["flavour"] == "dclm":
            answer = _dclm(steps[kind](filters, modifiers, options), text, kind in ("c4", "line_modifiers"))
        elif kind == "c4":
            document = data_types.Document(source="", version="", id="", text=text)
            answer = _dolma_c4(c4.FasterC4Tagger().predict(document).spans, text, options)
        else:
            answer = {"values": _dolma_gopher(gopher.get_attributes(text)), "left": None}
        print(json.dumps(answer))


class _Empty(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def _dolma_gopher(found: Any) -> dict[str, float]:
    values = {
        "characters": found.character_count,
        "words": found.word_count,
        "avg_word_length": found.median_word_length,
        "symbol_ratio": found.symbol_to_word_ratio,
        "alpha_words_ratio": found.fraction_of_words_with_alpha_character,
        "stop_words": found.required_word_count,
        "bullet_lines_ratio": found.fraction_of_lines_starting_with_bullet_point,
        "ellipsis_lines_ratio": found.fraction_of_lines_ending_with_ellipsis,
        "dup_line_frac": found.fraction_of_duplicate_lines,
        "dup_line_char_frac": found.fraction_of_characters_in_duplicate_lines,
    }
    values |= {f"top_{n}_gram": share for n, share in found.fraction_of_characters_in_most_common_ngram}
    return values | {f"duplicated_{n}_n_grams": share for n, share in found.fraction_of_characters_in_duplicate_ngrams}


def _dolma_c4(spans: list[Any], text: str, options: dict[str, Any]) -> dict[str, Any]:
    names = {"has_curly_brace": "curly_bracket", "has_lorem_ipsum": "lorem_ipsum", "has_javascript": "javascript"}
    values = {ours: int(any(span.type == theirs for span in spans)) for theirs, ours in names.items()}
    going = set()
    if options["filter_no_terminal_punct"]:
        going.add("lines_with_no_ending_punctuation")
    if options["min_words_per_line"] is not None:
        going.add("lines_with_too_few_words")
    for start, end in sorted({(span.start, span.end) for span in spans if span.type in going}, reverse=True):
        text = text[:start] + text[end:]
    return {"values": values, "left": text}


def _dclm(steps: Iterator[Step], text: str, rewrites: bool) -> dict[str, Any]:
    pages = [{"text": text}]
    for why, step in steps:
        pages = step(pages[0])
        if not pages:
            return {"reason": why, "left": None}
    return {"reason": None, "left": pages[0]["text"] if rewrites else None}


# Our option: the reason, DCLM's filter and the argument for the threshold.
_FILTERS = {
    "min_words": ("short_doc", "page_length_filter", "min_length"),
    "max_words": ("long_doc", "page_length_filter", "max_length"),
    "min_avg_word_length": ("below_avg_threshold", "word_length_filter", "min_length"),
    "max_avg_word_length": ("above_avg_threshold", "word_length_filter", "max_length"),
    "max_symbol_word_ratio": ("too_many_symbols", "symbol_ratio_filter", "max_symbol_to_word_ratio"),
    "max_bullet_lines_ratio": ("too_many_bullets", "bullet_count_filter", "max_bullet_start_ratio"),
    "max_ellipsis_lines_ratio": ("too_many_end_ellipsis", "ellipsis_count_filter", "max_ellipsis_end_ratio"),
    "min_alpha_words_ratio": ("below_alpha_threshold", "alphabetic_word_ratio_filter", "max_ratio"),
    "min_stop_words": ("too_few_stop_words", "stop_word_filter", "min_stop_word"),
}


def _quality(filters: Any, _modifiers: Any, o: dict[str, Any]) -> Iterator[Step]:
    for option, (why, name, argument) in _FILTERS.items():
        if o[option] is not None:
            threshold = round(1 - o[option], 9) if argument == "max_ratio" else o[option]
            words = {"length_type": "word", "ignore_punctuation": True} if name == "page_length_filter" else {}
            yield why, partial(getattr(filters, name), **words, **{argument: threshold})


def _repetition(filters: Any, _modifiers: Any, o: dict[str, Any]) -> Iterator[Step]:
    yield "empty", lambda page: [page] if page["text"].strip() else []
    cache: dict[str, Any] = {}
    for name, granularity, characters in (
        *(("dup_line_frac", "line", False), ("dup_para_frac", "paragraph", False)),
        *(("dup_line_char_frac", "line", True), ("dup_para_char_frac", "paragraph", True)),
        *((f"top_{n}_gram", n, True) for n in (2, 3, 4)),
        *((f"duplicated_{n}_n_grams", n, True) for n in range(5, 11)),
    ):
        if o[name] is not None:

            def step(
                page: Page, name: str = name, granularity: Any = granularity, characters: bool = characters
            ) -> Any:
                return filters.repetition_filter(page, granularity, o[name], count_characters=characters, cache=cache)

            yield name, step


def _c4(filters: Any, modifiers: Any, o: dict[str, Any]) -> Iterator[Step]:
    """But for the number of sentences, which wants NLTK's model."""
    if o["max_characters"] is not None:
        yield "too_long", lambda page: [] if len(page["text"]) > o["max_characters"] else [page]
    if o["max_word_length"] is not None:
        yield "empty", lambda page: modifiers.word_length_modifier(page, max_length=o["max_word_length"], model="split")
    if o["remove_citations"]:
        yield "empty", modifiers.citation_removal_modifier()
    if o["filter_no_terminal_punct"]:
        yield "empty", modifiers.punctuation_line_modifier(remove_ellipses=True)
    if o["min_words_per_line"] is not None:
        yield "empty", lambda page: modifiers.line_length_modifier(page, min_length=o["min_words_per_line"])
    yield "lorem_ipsum", filters.substring_filter(["lorem ipsum"])
    yield "empty", modifiers.substring_line_modifier(["javascript"])
    yield "curly_bracket", filters.substring_filter(["{"])
    yield "empty", modifiers.substring_line_modifier(list(_POLICIES))


def _lines(filters: Any, modifiers: Any, o: dict[str, Any]) -> Iterator[Step]:
    before: dict[str, int] = {}

    def counted(page: Page) -> list[Page]:
        before["words"] = len(filters.split_words(page["text"], ignore_punctuation=True))
        return [page]

    def remaining(page: Page) -> list[Page]:
        return list(
            filters.word_removal_ratio_filter({**page, **before}, "words", max_removed_ratio=o["max_removed_ratio"])
        )

    yield "", counted
    if o["max_removed_ratio"] is not None:
        yield "no_words", lambda page: [page] if before["words"] else []
    if o["max_line_feeds"] is not None:
        yield "empty", modifiers.newline_removal_modifier(o["max_line_feeds"])
    if o["max_upper_case_ratio"] is not None:
        yield "empty", lambda page: modifiers.uppercase_ratio_line_modifier(page, o["max_upper_case_ratio"])
    if o["max_numeric_ratio"] is not None:
        yield "empty", lambda page: modifiers.numeric_ratio_line_modifier(page, o["max_numeric_ratio"])
    if o["remove_counters"]:
        yield "empty", modifiers.counter_line_modifier()
    if o["min_words_per_line"] is not None:
        yield "empty", lambda page: modifiers.line_length_modifier(page, min_length=o["min_words_per_line"])
    if (most := o["max_words_with_phrase"]) is not None:
        cut = {"max_length": most, "remove_substring_only": True}
        yield "empty", modifiers.substring_line_modifier("items in cart", **cut)
        yield "empty", modifiers.substring_line_modifier("Read more...", location="suffix", **cut)
        yield "empty", modifiers.substring_line_modifier("Sign-in", location="prefix", **cut)
    if o["max_removed_ratio"] is not None:
        yield "removed_words", remaining


main()
