"""What the tools whose arithmetic a flavour has say of some texts: cases after their own tests, with texts of ours.

The expectations are the tool's. Where we differ on purpose, the case says why; `benchmarks/flavours.py` asks the
tools themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from typing import Any

from curation.document import TEXT
from curation.rules import C4, FineWebQuality, GopherQuality, GopherRepetition, LineModifiers
from curation.stage import RuleStage
from tests.rules.texts import annotated

DATATROVE = "datatrove 0.10.1, tests/pipeline/filters/test_filters.py"
DOLMA = "dolma 1.2.1, tests/python/test_gopher.py"
DOLMA_C4 = "dolma 1.2.1, tests/python/test_c4.py"
DCLM = "DCLM 361714b, tests/baselines/mappers/filters/test_content_filters.py"
DCLM_MODIFIERS = "DCLM 361714b, tests/baselines/mappers/modifiers/test_modifiers.py"

_PROSE = "The old ferry and the new bridge have to be shared with all of the people that cross. "
_VERSE = "Seven grey herons stood knee deep in cold water waiting for luck."
_TALE = (
    "My neighbour bakes dark bread on Fridays.\n\nHer oven came from a closed monastery near Graz.\n\n"
    "Nobody knows exactly how old it might be, but two masons who repaired its chimney last winter swore they had "
    "never seen such bricks.\n\nThey took one home for luck."
)
_FIVE = "It rained. We waited. The bus came. Nobody got on. It left again."


@dataclass(frozen=True)
class Case:
    """A text, and what the tool says of it: the reason (None: kept), some of the values, the text that it leaves."""

    after: str
    stage: RuleStage
    text: str
    reason: str | None = None
    values: dict[str, Fraction | int] = field(default_factory=dict)
    left: str | None = None
    difference: str = ""
    """Why we say something else, on purpose; empty if we do not."""

    def passes(self) -> bool:
        """Whether we say what the tool says."""
        batch = annotated(self.stage, [self.text])
        why = self.stage.drop_reasons(batch)[0].as_py()
        measured = {name: batch[self.stage.column(name)][0].as_py() for name in self.values}
        return (
            why == (self.reason and self.stage.column(self.reason))
            and all(abs(measured[name] - value) < 1e-12 for name, value in self.values.items())
            and (self.left is None or batch[TEXT][0].as_py() == self.left)
        )


def only(kind: type[RuleStage], flavour: str, **options: Any) -> RuleStage:
    """A stage with these thresholds and no others."""
    off = dict.fromkeys(kind.model_validate({"flavour": flavour}).thresholds())
    return kind.model_validate({"flavour": flavour, **off, **options})


def cases() -> list[Case]:
    """Every case, flavour by flavour."""
    return [*_fineweb(), *_dolma(), *_dolma_c4(), *_dclm_quality(), *_dclm_repetition(), *_dclm_c4(), *_dclm_lines()]


def _fineweb() -> list[Case]:
    quality = GopherQuality(min_words=10, max_words=1000)
    lines = "".join(
        f"The bridge over the river was closed on account of ice, {day}.\n" for day in ("Mon", "Tue", "Wed", "Thu")
    )
    verdicts: list[tuple[RuleStage, str, str | None]] = [
        (GopherRepetition(), "Rain again today.\n" * 4, "dup_line_frac"),
        (GopherRepetition(), "Rain again today.\n\n" * 4, "dup_para_frac"),
        (
            GopherRepetition(),
            f"{_TALE}\n\n"
            + f"{_VERSE[:-1]}, then all of them flew off towards some darker lake beyond our hill.\n\n" * 2,
            "dup_para_char_frac",
        ),
        (
            GopherRepetition(),
            "One line here.\nAnother one there.\nNow a third line.\n"
            + "The longest line of all comes twice, as it happens.\n" * 2,
            "dup_line_char_frac",
        ),
        (GopherRepetition(), "we saw it, we saw it, we saw it", "top_2_gram"),
        (GopherRepetition(), _VERSE, "top_3_gram"),
        (GopherRepetition(), f"{_TALE} {_VERSE} {_VERSE}", "duplicated_5_n_grams"),
        (GopherRepetition(), _TALE, None),
        (quality, "Too little to say...", "short_doc"),
        (quality, "is it " * 20, "below_avg_threshold"),
        (quality, "telecommunications " * 20, "above_avg_threshold"),
        (quality, "# remark " * 20, "too_many_hashes"),
        (quality, "... remark " * 20, "too_many_ellipsis"),
        (quality, "the ?! 12345 %& $$ <><> 1234 " * 20, "below_alpha_threshold"),
        (quality, _PROSE * 2, None),
        (C4(), f"{_FIVE} Here stands lorem ipsum dolor.", "lorem_ipsum"),
        (C4(), f"{_FIVE} function f() {{ return 1 }}", "curly_bracket"),
        (C4(), "It rained all day. Then it stopped.", "too_few_sentences"),
        (C4(), _FIVE, None),
        (FineWebQuality(), "A heading without a full stop that goes on for a while\n" * 3, "line_punct_ratio"),
        (FineWebQuality(), "Short one.\nShort two.\nShort three.\n" + lines[:63], "short_line_ratio"),
        (FineWebQuality(), lines + lines[:63], "char_dup_ratio"),
        (FineWebQuality(), lines + "\n" * 40, "list_ratio"),
        (FineWebQuality(), lines, None),
    ]
    return [
        *(Case(DATATROVE, stage, text, why) for stage, text, why in verdicts),
        Case(
            DATATROVE,
            C4(),
            f"{_FIVE}\nPlease enable JavaScript now.\nWe use cookies here.\nIt is so[12].\nNo.",
            left=f"{_FIVE}\nIt is so.",
        ),
        Case(
            DATATROVE,
            only(GopherRepetition, "fineweb", duplicated_5_n_grams=0.15),
            "a bc one two three, ab c one two three",
            "duplicated_5_n_grams",
            difference="n-grams are equal when their words are; datatrove joins those first, so that “a bc” is “ab c”",
        ),
    ]


def _dolma() -> list[Case]:
    golden = {"top_2_gram": Fraction(1, 2), "top_3_gram": Fraction(7, 12), "top_4_gram": 1, "characters": 15}
    words: dict[str, Fraction | int] = {
        **{"words": 4, "avg_word_length": 3, "symbol_ratio": 0, "alpha_words_ratio": 1, "stop_words": 0},
        **{"bullet_lines_ratio": 0, "ellipsis_lines_ratio": 0},
    }
    # 12 words of 54 characters; of the lines between them one holds spaces and one is empty
    text = "Here is one sentence. \n  \n Here is another sentence.\n\n  And here a third."
    several: dict[str, Fraction | int] = {
        "characters": len(text),
        "dup_line_frac": 0,
        "dup_line_char_frac": 0,
        "top_2_gram": Fraction(12, 54),
        "top_3_gram": Fraction(9, 54),
        "top_4_gram": Fraction(18, 54),
        **{f"duplicated_{n}_n_grams": 0 for n in range(5, 11)},
    }

    def measured(kind: type[RuleStage], text: str, values: dict[str, Any], **options: Any) -> Case:
        return Case(DOLMA, only(kind, "dolma", **options), text, values=values)

    return [
        measured(GopherRepetition, "This is a test.", golden),
        measured(GopherQuality, "This is a test.", words),
        measured(GopherRepetition, text, several),
        measured(GopherQuality, text, {"words": 12, "avg_word_length": 4, "alpha_words_ratio": 1, "symbol_ratio": 0}),
        measured(GopherQuality, "O n e \n    \n\n\n    longword ?!", {"words": 5}),
        measured(GopherQuality, "The.and.that", {"stop_words": 0}),
        measured(GopherQuality, "The and that", {"stop_words": 2}),
        measured(GopherQuality, "that and that", {"stop_words": 3}),
        measured(GopherQuality, "so #it went… on and on #", {"symbol_ratio": Fraction(3, 7)}),
        measured(GopherQuality, "* one\n - two\n-three\n• four", {"bullet_lines_ratio": Fraction(1, 2)}),
        measured(GopherQuality, "one…\ntwo… \nthree...\nfour", {"ellipsis_lines_ratio": Fraction(1, 4)}),
        measured(
            GopherRepetition,
            "rain\nrain\n\n\nsnow",
            {"dup_line_frac": Fraction(4, 5), "dup_line_char_frac": Fraction(8, 12)},
        ),
        measured(
            GopherRepetition,
            "a b c d e a b c d e a",
            {"duplicated_5_n_grams": Fraction(20, 35), "duplicated_6_n_grams": Fraction(12, 36)},
        ),
    ]


def _dolma_c4() -> list[Case]:
    stage = C4.model_validate({"flavour": "dolma"})
    plain = only(C4, "dolma", filter_no_terminal_punct=False, min_words_per_line=None)
    kept = "This is a remark."
    verdicts = [
        (kept, None),
        ("This is a remark {", "curly_bracket"),
        ("This is a remark javascript", "javascript"),
        ("This is a remark on lorem ipsum\nand more.", "lorem_ipsum"),
    ]
    lines = "This is a remark.\nIt has more;\nSpaces behind it! \nThis one is good too.\nThis one is bad\n"
    short = "Short!\nSo short.\nJust above the limit!\nthis is the end."
    bad = "no list of bad words is shipped"
    return [
        *(Case(DOLMA_C4, plain, text, why) for text, why in verdicts),
        Case(
            DOLMA_C4,
            stage,
            lines,
            values={"lines_no_terminal_punct": 3},
            left=kept + "\nSpaces behind it! \nThis one is good too.\n",
        ),
        Case(DOLMA_C4, stage, short, values={"lines_too_few_words": 2}, left=short[17:]),
        Case(DOLMA_C4, plain, "This remark has no bad words."),
        Case(DOLMA_C4, plain, "This remark mentions viagra as a bad word.", "bad_words", difference=bad),
        Case(DOLMA_C4, plain, "This remark has viagra, but a comma makes it another word."),
        Case(
            DOLMA_C4,
            stage,
            "Nothing is left of this",
            values={"lines_kept": 0},
            left="",
            difference="a document is dropped if no line is left; Dolma keeps it unless its mixer has a least length",
        ),
    ]


def _dclm_quality() -> list[Case]:
    found: list[Case] = []

    def add(text: str, why: str | None, **thresholds: Any) -> None:
        found.append(Case(DCLM, only(GopherQuality, "dclm", **thresholds), text, why))

    for text, words in (
        ("Good morning.", 2),
        ("Good morning. This is a note.", 6),
        ("Good morning. \n\n This is a note.", 6),
        ("Mrs. Jones sold 3.5 litres of milk.", 7),
    ):
        add(text, "short_doc", min_words=words + 1)
        add(text, None, min_words=words)
    add("", "short_doc", min_words=1)
    for mark in ("...", ". . .", "…"):
        half = f"This line ends in an ellipsis{mark}\n and this line does not."
        add(half, "too_many_end_ellipsis", max_ellipsis_lines_ratio=0.49)
        add(half, None, max_ellipsis_lines_ratio=0.51)
        add(f"This one{mark}has some inside{mark}and none behind.", None, max_ellipsis_lines_ratio=0.01)
        several = f"Some{mark}{mark}\n{mark}here and there{mark}\nand a line without."
        add(several, "too_many_end_ellipsis", max_ellipsis_lines_ratio=0.66)
        add(several, None, max_ellipsis_lines_ratio=0.67)
    for one, other in product("●•*-", repeat=2):
        two = f"{one} Of these three lines\n{other} two begin with a bullet\n and one does not."
        add(two, "too_many_bullets", max_bullet_lines_ratio=0.66)
        add(two, None, max_bullet_lines_ratio=0.67)
        add(f"Here {other} stand inside{one}\n and at the end.", None, max_bullet_lines_ratio=0.01)
    add("The worst of the worst", None, min_stop_words=3)
    add("the be to of and that have with", None, min_stop_words=8)
    add("Then Ann and Sandy withstood beetles", "too_few_stop_words", min_stop_words=2)
    add("The mean word length is 4.5", None, min_avg_word_length=3, max_avg_word_length=5)
    add("The dog in the fog", "below_avg_threshold", min_avg_word_length=3, max_avg_word_length=10)
    add("Interminable sesquipedalian", "above_avg_threshold", min_avg_word_length=3, max_avg_word_length=10)
    add("  ", "below_avg_threshold", min_avg_word_length=3, max_avg_word_length=10)
    add("No marks here.", None, max_symbol_word_ratio=0.0)
    add("#tags #on #each #word", None, max_symbol_word_ratio=1.0)
    add("#tags #on #each #word", "too_many_symbols", max_symbol_word_ratio=0.1)
    for mark in ("...", "…"):
        add(f"#tags and ellipses both count{mark}", "too_many_symbols", max_symbol_word_ratio=0.3)
    add("#tags and ellipses both count. . .", "too_many_symbols", max_symbol_word_ratio=0.25)
    text = "This remark holds <2,000 non-alphabetic w0rd5 in it but >2."  # 2 of 10 words without a letter
    add(text, None, min_alpha_words_ratio=0.8)
    add(text, "below_alpha_threshold", min_alpha_words_ratio=0.9)
    found.append(
        Case(
            DCLM,
            only(GopherQuality, "dclm", max_symbol_word_ratio=0.1),
            "   ",
            "too_many_symbols",
            difference="a share of no words is 0; DCLM drops such a page at each filter, we by the number of words",
        )
    )
    return found


def _dclm_repetition() -> list[Case]:
    found: list[Case] = []

    def add(text: str, name: str, share: Fraction | int) -> None:
        """The value, and the verdicts a little above and below it."""
        above = 1 if share == 1 else share + Fraction(1, 100)
        for threshold, why in ((above, None), (share - Fraction(1, 100), name)):
            stage = only(GopherRepetition, "dclm", **{name: float(threshold)})
            found.append(Case(DCLM, stage, text, why, {name: share}))

    def keeps(text: str, name: str) -> None:
        found.append(Case(DCLM, only(GopherRepetition, "dclm", **{name: 0.0}), text))

    found.append(Case(DCLM, only(GopherRepetition, "dclm"), "", "empty"))
    for name in ("dup_line_frac", "dup_line_char_frac"):
        keeps("Rain, again.", name)
        add("Rain\nRain\n\n\n\nRain", name, 1)
    add("Rain, again.\nRain, again.\n\nSnow", "dup_line_frac", Fraction(2, 3))
    add("Rain, again.\nRain, again.\n\nSnow", "dup_line_char_frac", Fraction(24, 28))
    paragraphs = "Rain, again.\n\nRain, again.\n\nRain, again.\nSnow"
    add(paragraphs, "dup_para_frac", Fraction(2, 3))
    add(paragraphs, "dup_para_char_frac", Fraction(24, 41))
    keeps("rain", "top_2_gram")
    keeps("rain", "duplicated_5_n_grams")
    for name, characters in (("top_2_gram", 27), ("top_3_gram", 28), ("top_4_gram", 36)):
        add("rain today rain today rain today", name, Fraction(characters, 27))
    spaced = "rain      today rain pears.... today rain\n today rain"  # 36 characters in 8 words
    add(spaced, "top_2_gram", Fraction(27, 36))
    add(spaced, "top_3_gram", Fraction(26, 36))
    keeps(spaced, "top_4_gram")
    for text in ("a b a b a b ab cd ab cd ab cd abc def abc def", "a b a b a b abc def abc def ab cd ab cd ab cd"):
        add(text, "top_2_gram", Fraction(12, 30))
    add(
        "rain today rain\n today rain. pears today rain today rain today rain today",
        "duplicated_5_n_grams",
        Fraction(54, 59),
    )
    add("don't stop don't stop", "top_2_gram", 1)
    whole = GopherRepetition.model_validate({"flavour": "dclm"})
    found.append(Case(DCLM, whole, "This is a long remark of different words.\n Here is one more."))
    found.append(Case(DCLM, whole, "Again again again again.", "top_2_gram"))
    found.append(Case(DCLM, whole, _TALE))
    return found


def _dclm_c4() -> list[Case]:
    def lines(text: str, left: str, **options: Any) -> Case:
        switches = {"filter_no_terminal_punct": False, "remove_citations": False}
        off = {"min_words_per_line": None, "max_word_length": None, "min_num_sentences": None, **switches}
        stage = C4.model_validate({"flavour": "dclm", **off, **options})
        return Case(DCLM_MODIFIERS, stage, text, left=left)

    stage = C4.model_validate({"flavour": "dclm"})
    text = "The first line has words.\nThe second line has them.\n{}\nThe third line has some."
    return [
        lines(
            'Stop.\nWhat?\nOh!\n\n"Quoted"\nNothing\nSpaces.  \nDots... \nDots…',
            'Stop.\nWhat?\nOh!\n\n"Quoted"\nSpaces.',
            filter_no_terminal_punct=True,
        ),
        lines(
            "An usual line    \n\nAverylongword and usual ones\nBaaaaaarely as long.",
            "An usual line    \n\nBaaaaaarely as long.",
            max_word_length=11,
        ),
        lines(
            "[edit]So do pages look[134].\nOr so[citation needed].", "So do pages look.\nOr so.", remove_citations=True
        ),
        lines("JavaScript must be on\n\nHere is more on JavaScript.\njava script is on ", "java script is on"),
        lines("So we use cookies\nand this is the rest.", "and this is the rest."),
        lines("Short line\n\na b c d e\n  Hi", "Short line\n\na b c d e", min_words_per_line=2),
        Case(DCLM, stage, text.format("lorem ipsum dolor sit amet."), "lorem_ipsum"),
        Case(DCLM, stage, text.format("This line holds a { bracket."), "curly_bracket"),
        Case(DCLM, stage, text.format("This line is a fine one."), left=text.format("This line is a fine one.")),
        Case(DCLM, stage, text.format("")[:51], "too_few_sentences"),
        Case(DCLM, stage, "x" * 190_001, "too_long"),
        Case(DCLM, stage, "", "empty"),
        Case(
            DCLM,
            stage,
            text.format("This line mentions viagra as such."),
            "bad_words",
            difference="no list of bad words is shipped",
        ),
    ]


def _dclm_lines() -> list[Case]:
    def lines(text: str, left: str | None, **options: Any) -> Case:
        off = {
            **{"max_upper_case_ratio": None, "max_numeric_ratio": None, "remove_counters": False},
            **{"min_words_per_line": None, "max_words_with_phrase": None, "max_removed_ratio": None},
        }
        stage = LineModifiers.model_validate({**off, **options})
        return Case(DCLM_MODIFIERS, stage, text, None if left is not None else "empty", left=left)

    counters = (
        *("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes"),
        *("downloads", "views", "followers"),
    )
    upper, digits = "RAIN TODAY\n\nrain today\nRain, Today\n\nRain, today", "1a\n\n2bb\n\n3cc\nabcd"
    long = "You have 5 items in cart right now but you may add some more of them if you go back."
    sign = "sign-in at this page with the name and the password that you were given a while ago."
    more = "This is what the article says in short, and it can be made longer here. Read more..."
    phrases = {"max_words_with_phrase": 10}
    return [
        *(
            lines(
                f"4 {word}\n4,000 {word}\n321K {word}!\n 2.5M   {word}  \nNo counter here.",
                "No counter here.",
                remove_counters=True,
            )
            for word in counters
        ),
        lines(
            "321K quotes\n\nRain today.\n\nRain with 4 views.\n4 views",
            "Rain today.\n\nRain with 4 views.",
            remove_counters=True,
        ),
        lines("Rain, Today", "Rain, Today", max_upper_case_ratio=2 / 11),
        lines("Rain, Today", None, max_upper_case_ratio=2 / 11 - 1e-6),
        lines(upper, upper, max_upper_case_ratio=1.0),
        lines(upper, upper[12:], max_upper_case_ratio=2 / 11),
        lines(upper, "rain today\n\nRain, today", max_upper_case_ratio=1 / 11),
        lines(upper, "rain today", max_upper_case_ratio=0.0),
        lines("98765", "98765", max_numeric_ratio=1.0),
        lines("98765", None, max_numeric_ratio=0.999999),
        lines(digits, digits, max_numeric_ratio=0.5),
        lines(digits, "2bb\n\n3cc\nabcd", max_numeric_ratio=1 / 3),
        lines(digits, "abcd", max_numeric_ratio=0.0),
        lines("Short line\n\nthree words here\nHi", "Short line\n\nthree words here", min_words_per_line=2),
        lines(
            f"You have 5 items in cart right now\n  items in cart  \n{long}", f"You have 5 right now\n{long}", **phrases
        ),
        lines(
            f"sign-in for more\nsign-in  \nHow to sign-in.\n\n{sign}", f"for more\nHow to sign-in.\n\n{sign}", **phrases
        ),
        lines(
            f"Do read more...\n  read more...\nRead more...and see!\n\n{more}",
            f"Do\nRead more...and see!\n\n{more}",
            **phrases,
        ),
        lines("Rain\n\n\n\n\nToday", "Rain\n\nToday"),
        lines("Rain\n\nToday\nagain", "Rain\n\nToday\nagain"),
        lines("Rain\n\n\nToday", "Rain\nToday", max_line_feeds=1),
        Case(DCLM, LineModifiers(), "word of mine\n" * 19 + "HI WE RAN\n", values={"removed_ratio": Fraction(3, 60)}),
        Case(
            DCLM,
            LineModifiers(),
            "word of mine\n" * 18 + "HI WE RAN\n",
            "removed_words",
            {"removed_ratio": Fraction(3, 57)},
        ),
        Case(DCLM, LineModifiers(), "", "no_words"),
    ]
