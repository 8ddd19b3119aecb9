"""Manual pages as plain text, without groff: enough of its language for pages to read as prose."""

from __future__ import annotations

import re

HEADINGS = {"SH", "SS", "Sh", "Ss"}
BREAKS = {"PP", "P", "LP", "Pp", "TP", "IP", "HP", "sp", "It", "Bl", "El", "RS", "RE", "br", "TQ", "Bd", "Ed"}
FONTS = {"B", "I", "SM", "SB", "BR", "RB", "BI", "IB", "RI", "IR"}
UNSEPARATED = {"BR", "RB", "BI", "IB", "RI", "IR"}
SILENT = {"Dd", "Dt", "Os", "TH"}
CHARACTERS = {
    "bu": "•", "em": "—", "en": "–", "hy": "-", "lq": "“", "rq": "”", "oq": "‘", "cq": "’", "aq": "'", "dq": '"',
    "ga": "`", "co": "©", "rg": "®", "ha": "^", "ti": "~", "rs": "\\", "mu": "×", "->": "→", "<-": "←", "ss": "ß",
    "de": "°",
}  # fmt: skip
SINGLE = {"e": "\\", "~": "\u00a0", "0": " "} | {character: character for character in "- '`."}
ESCAPE = re.compile(
    r"""\\(?: f(?:\[[^]]*\]|\(..|.)       # fonts
        | s[-+]?(?:\d\d?|\[[^]]*\])       # sizes
        | [*nmMFYkgV](?:\[[^]]*\]|\(..|.) # strings, registers, colours
        | [hvwlLoDbzxXRANBCSH]'[^']*'     # motions, drawings
        | \[(?P<long>[^]]*)\] | \((?P<two>..)
        | (?P<one>.) )""",
    re.VERBOSE,
)
ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|(\S+)')


def plain_text(page: str) -> str:
    """What a page in man or mdoc macros says, its paragraphs filled and set apart by empty lines."""
    paragraphs: list[str] = []
    lines: list[str] = []
    filled = True
    until: str | None = None

    def end_paragraph() -> None:
        text = (" " if filled else "\n").join(lines).strip()
        if text:
            paragraphs.append(text)
        lines.clear()

    for line in page.splitlines():
        if until is not None:
            until = None if line.startswith(until) else until
        elif line[:1] not in (".", "'"):
            text = _inline(line)
            if text.strip():
                lines.append(text if not filled else text.strip())
            elif filled:
                end_paragraph()
        else:
            macro, _, rest = line[1:].lstrip().partition(" ")
            if macro in ("de", "de1", "ig", "am"):
                until = ".."
            elif macro in ("TS", "EQ"):
                until = ".TE" if macro == "TS" else ".EN"
            elif macro in ("nf", "EX", "fi", "EE"):
                end_paragraph()
                filled = macro in ("fi", "EE")
            elif macro in HEADINGS:
                end_paragraph()
                lines.append(" ".join(_arguments(rest)))
                end_paragraph()
            elif macro in BREAKS:
                end_paragraph()
                if macro in ("IP", "It"):
                    lines.extend(_arguments(rest)[:1])
            elif macro in FONTS:
                lines.append(("" if macro in UNSEPARATED else " ").join(_arguments(rest)))
            elif re.fullmatch(r"[A-Z][a-z]", macro) and macro not in SILENT:
                lines.append(("-" if macro == "Fl" else "") + " ".join(_arguments(rest)))
    end_paragraph()
    return "\n\n".join(paragraphs)


def _arguments(rest: str) -> list[str]:
    return [_inline(quoted.replace('""', '"') or bare) for quoted, bare in ARGUMENT.findall(rest)]


def _inline(line: str) -> str:
    """A line of text without its escapes and comments."""
    return ESCAPE.sub(_unescaped, re.sub(r'\\["#].*', "", line))


def _unescaped(escape: re.Match[str]) -> str:
    name = escape["long"] or escape["two"]
    if name:
        return chr(int(name[1:], 16)) if re.fullmatch(r"u[0-9A-F]{4,5}", name) else CHARACTERS.get(name, "")
    return SINGLE.get(escape["one"] or "", "")
