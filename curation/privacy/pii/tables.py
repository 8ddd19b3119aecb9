"""What the numbers of people look like: countries' IBANs, card issuers, networks that are not public, words around."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network
from typing import Any, NamedTuple

import numpy as np

from curation.text.arrow import Bytes
from curation.text.words import Int64

# What a word near a number says of it, as bits.
TELEPHONE, BOOK, CARD_WORD, SECURITY, HOST, VERSION = 1, 2, 4, 8, 16, 32

NANP = 10
"""Where `Tables.domestic` says whether numbers of the North American plan are looked for."""

# SWIFT's IBAN registry, release 100: the length of an IBAN by country.
_IBANS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 "
    "EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 "
    "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 "
    "NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 "
    "SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)

# ISO/IEC 7812 as the networks publish it: the first six digits from, to, and the lengths of the whole number.
_ISSUERS = (
    (400000, 499999, (13, 16, 19)),  # Visa
    (510000, 559999, (16,)),  # Mastercard
    (222100, 272099, (16,)),
    (340000, 349999, (15,)),  # American Express
    (370000, 379999, (15,)),
    (300000, 305999, (14, 16, 19)),  # Diners Club
    (309500, 309599, (14, 16, 19)),
    (360000, 369999, (14, 16, 19)),
    (380000, 399999, (14, 16, 19)),
    (601100, 601199, (16, 19)),  # Discover
    (644000, 659999, (16, 19)),
    (352800, 358999, (16, 19)),  # JCB
    (620000, 629999, (16, 17, 18, 19)),  # UnionPay
    (810000, 817199, (16, 17, 18, 19)),
    (501800, 501899, (12, 13, 14, 15, 16, 17, 18, 19)),  # Maestro
    (502000, 502099, (12, 13, 14, 15, 16, 17, 18, 19)),
    (503800, 503899, (12, 13, 14, 15, 16, 17, 18, 19)),
    (589300, 589399, (12, 13, 14, 15, 16, 17, 18, 19)),
    (630400, 630499, (12, 13, 14, 15, 16, 17, 18, 19)),
    (675900, 675999, (12, 13, 14, 15, 16, 17, 18, 19)),
    (676100, 676399, (12, 13, 14, 15, 16, 17, 18, 19)),
    (220000, 220499, (16, 17, 18, 19)),  # Mir
    (508500, 508999, (16,)),  # RuPay
    (606985, 608500, (16,)),
)

# IANA's registries of special-purpose addresses (2024), as `ipaddress` of Python 3.13 reads them: what is not global.
# Each with whether it is; the first that holds an address decides.
_IPV4 = (
    ("192.0.0.9/32", True),
    ("192.0.0.10/32", True),
    *(
        (network, False)
        for network in (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
            "240.0.0.0/4",
        )
    ),
    ("0.0.0.0/0", True),
)
# Only 2000::/3 is given out as global unicast. Single anycast addresses in 2001:1::/32 are left out.
_IPV6 = (
    ("2001:3::/32", True),
    ("2001:4:112::/48", True),
    ("2001:20::/28", True),
    ("2001:30::/28", True),
    ("2001::/23", False),
    ("2001:db8::/32", False),
    ("2002::/16", False),
    ("3fff::/20", False),
    ("2000::/3", True),
    ("::/0", False),
)

# Lower case. A word of ASCII counts only as a whole word; scripts without spaces have none.
_WORDS = {
    TELEPHONE: (
        *("phone", "phones", "telephone", "telephones", "tel", "telefon", "telefono", "telephon", "cell", "cellphone"),
        *("cellular", "mobile", "mobil", "movil", "handy", "portable", "landline", "fax", "telefax", "call", "calls"),
        *("called", "dial", "text", "sms", "whatsapp", "hotline", "helpline", "pager", "ring", "anrufen", "rufnummer"),
        *("toll-free", "direct line", "reach me", "reach us", "contact", "ph", "numero", "telefonnummer", "nummer"),
        *("téléphone", "teléfono", "téléfono", "móvil", "numéro", "número", "телефон", "тел", "моб", "факс"),
        *("电话", "電話", "手机", "手機", "热线", "传真", "携帯", "전화", "휴대폰", "هاتف", "फ़ोन"),
    ),
    BOOK: ("isbn", "issn", "doi", "ean", "isbn-10", "isbn-13"),
    CARD_WORD: (
        *("card", "cards", "credit", "debit", "visa", "mastercard", "amex", "maestro", "discover", "jcb", "cc", "pan"),
        *("kreditkarte", "karte", "carte", "tarjeta", "carta", "cartao", "cartão", "карта", "карты", "卡号", "カード"),
    ),
    SECURITY: ("ssn", "ssns", "social security", "soc sec", "social sec"),
    HOST: (
        *("ip", "ips", "ipv4", "addr", "address", "addresses", "host", "hosts", "hostname", "server", "client", "peer"),
        *("login", "logged", "gateway", "dns", "nameserver", "ping", "proxy", "router", "subnet", "remote", "rhost"),
        *("connect", "connected", "connection", "session", "blocked", "banned", "firewall", "src", "dst"),
    ),
    VERSION: (
        *("version", "versions", "versione", "versión", "ver", "v", "vers", "release", "releases", "released", "rev"),
        *("revision", "build", "builds", "upgrade", "upgrades", "upgraded", "upgrading", "downgrade", "firmware"),
        *("section", "sections", "chapter", "clause", "§", "oid", "changelog", "版本"),
    ),
}

WORD_BYTES = 24

Uint64 = np.ndarray[Any, np.dtype[np.uint64]]


class Tables(NamedTuple):
    """`ibans` (676,) lengths by the two letters, 0 where there is none. `issuers` (k, 3): first six digits from, to,
    the lengths as bits. `ipv4`, `ipv6` (k, 3) uint64: mask, network (of IPv6 the first 64 bits), whether it is global.
    `words` (k, 2 + WORD_BYTES) uint8: meaning, length, bytes. `domestic` (11,): for each first digit how many digits a
    number without a country code may have, as bits; at NANP whether the North American plan is meant."""

    ibans: Int64
    issuers: Int64
    ipv4: Uint64
    ipv6: Uint64
    words: Bytes
    domestic: Int64


@cache
def iban_lengths() -> dict[str, int]:
    """The length of an IBAN by country."""
    return {entry[:2]: int(entry[2:]) for entry in _IBANS.split()}


@cache
def constants() -> tuple[Int64, Int64, Uint64, Uint64, Bytes]:
    """The first five of `Tables`."""
    ibans = np.zeros(26 * 26, np.int64)
    for country, length in iban_lengths().items():
        ibans[(ord(country[0]) - 65) * 26 + ord(country[1]) - 65] = length
    issuers = np.array([(first, last, sum(1 << n for n in lengths)) for first, last, lengths in _ISSUERS], np.int64)
    words = [(meaning, word.encode()) for meaning, some in _WORDS.items() for word in some]
    table = np.zeros((len(words), 2 + WORD_BYTES), np.uint8)
    for row, (meaning, word) in enumerate(words):
        table[row, : 2 + len(word)] = [meaning, len(word), *word]
    return ibans, issuers, _networks(_IPV4, 0), _networks(_IPV6, 64), table


def _networks(networks: tuple[tuple[str, bool], ...], dropped_bits: int) -> Uint64:
    rows = []
    for text, is_global in networks:
        network = ip_network(text)
        address = int(network.network_address) >> dropped_bits
        rows.append((int(network.netmask) >> dropped_bits, address, int(is_global)))
    return np.array(rows, np.uint64)
