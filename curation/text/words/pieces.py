"""Short pieces of text that are not what their marks say: words that stay whole, fall in two, or are units."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from curation.text.kernels import GOLDEN
from curation.text.words import kernels

_WHOLE = """
' '' 's 'S 'd 're 'em 'll 'cause 'Cause 'bout 'cos 'Cos 'cuz o'clock O'clock ma'am Ma'am and/or w/o C++
a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z.
a.m. p.m. e.g. E.g. E.G. i.e. I.e. I.E. v.s. vs.
Adm. Bros. co. Co. Corp. D.C. Dr. Gen. Gov. Inc. Jr. Ltd. Messrs. Mr. Mrs. Ms. Mt. Ph.D. Prof. Rep. Rev. Sen. St.
Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec.
Ak. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Md. Mich. Minn. Miss.
Mo. Mont. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. Tenn. Va. Wash. Wis.
doin' goin' nothin' lovin' havin' ol' :) :-) ;) ;-) :( :-( :D :P :/ =) <3 -_- ^_^
"""
_IN_TWO = "can|not Can|not gon|na Gon|na got|ta Got|ta y|all let|'s Let|'s"
_UNITS = """
nm µm µg mm cm dm m km yd in ft mm² cm² dm² m² km² mm³ cm³ dm³ m³ km³ ha
mg g kg lb oz t m/s km/h kmh mph Pa hPa mb mbar
kb KB gb GB MB tb TB T G M K % am pm a.m. p.m.
"""
_PRONOUNS = {  # what may follow without its apostrophe
    "i": "m ll d ve",
    "you": "ll d ve re",
    "we": "ll d ve re",
    "they": "ll d ve re",
    "he": "ll d s",
    "she": "ll d s",
    "it": "ll d s",
}
_ASKED = dict.fromkeys(("who", "what", "when", "where", "why", "how", "there"), "s ll re ve d")
_POINTED = {"that": "s ll d", "this": "s ll d", "these": "ll re ve d", "those": "ll re ve d"}
_VERBS = "ca could do does did had may might must need ought sha should wo would ai are is was were have has dare"
_WORDS_OF_THEIR_OWN = {"ill", "its", "hell", "shell", "shed", "were", "well", "whore"}


def _pieces_in_two() -> list[tuple[str, str]]:
    """Contractions that are written without the apostrophe ("dont", "youre"), in both cases of the first letter."""
    joined = {**_PRONOUNS, **_ASKED, **_POINTED}
    pairs = [(stem, ending) for stem, endings in joined.items() for ending in endings.split()]
    pairs += [(verb, "nt") for verb in _VERBS.split()]
    pairs += [(verb, "ve") for verb in ("could", "might", "must", "should", "would")]
    return [
        (first, ending)
        for stem, ending in pairs
        for first in (stem, stem.title())
        if stem + ending not in _WORDS_OF_THEIR_OWN
    ]


@cache
def pieces() -> tuple[
    np.ndarray[Any, np.dtype[np.uint64]], np.ndarray[Any, np.dtype[np.int32]], np.ndarray[Any, np.dtype[np.bool_]]
]:
    """The table, open addressing: keys of up to 8 bytes, the first lowest, and what to do with each; both
    (kernels.PIECES,). And (kernels.CUTS,), by a key's hash: whether a piece may be one of those that are cut.

    An action holds the piece's length in its lowest 4 bits, then where to cut it (0: it is one word), then UNIT.
    """
    cuts = np.zeros(kernels.CUTS, bool)
    keys, actions = np.zeros(kernels.PIECES, np.uint64), np.zeros(kernels.PIECES, np.int32)
    entries = dict.fromkeys(_WHOLE.split(), 0)
    entries |= {piece.replace("|", ""): piece.index("|") for piece in _IN_TWO.split()}
    entries |= {first + ending: len(first) for first, ending in _pieces_in_two()}
    entries |= {unit: entries.get(unit, kernels.NOT_A_WORD) | kernels.UNIT for unit in _UNITS.split()}
    entries |= {a.replace("'", "’"): cut for a, cut in entries.items() if "'" in a}
    for piece, cut in entries.items():
        encoded = piece.encode()
        if len(encoded) > 8:
            continue
        key = int.from_bytes(encoded, "little")
        slot = key * GOLDEN % (1 << 64) >> 53
        while keys[slot]:
            slot = (slot + 1) % kernels.PIECES
        keys[slot], actions[slot] = key, len(encoded) | cut << 4
        cuts[key * GOLDEN % (1 << 64) >> 52] |= bool(cut & 15)
    return keys, actions, cuts
