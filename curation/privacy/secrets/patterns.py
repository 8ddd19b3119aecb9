"""What secrets look like: the prefixes of providers' tokens, and the names that people give to passwords."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from curation.text.arrow import Bytes
from curation.text.words import Int64

# Letters that a token may have behind its prefix, as bits.
UPPER, LOWER, NUMBERS, UNDERSCORE, HYPHEN, POINT, BASE64 = 1, 2, 4, 8, 16, 32, 64
ALNUM = UPPER | LOWER | NUMBERS
URLSAFE = ALNUM | UNDERSCORE | HYPHEN


class Token(NamedTuple):
    """A token: its provider, its prefix, what may follow it, and how many of those there are, from and to."""

    type: str
    prefix: str
    letters: int
    least: int
    most: int


# Each as its provider documents it, or as the rules of gitleaks 8 (MIT) and GitHub's list of secret-scanning patterns
# have it where the provider gives no length.
TOKENS = (
    # AWS: identifiers of keys and of temporary keys (IAM, "Unique identifiers").
    *(Token("aws", prefix, UPPER | NUMBERS, 16, 16) for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")),
    # GitHub: classic, OAuth, user-to-server, server-to-server, refresh; fine-grained ("GitHub's token formats", 2021).
    *(Token("github", f"{prefix}_", ALNUM, 36, 251) for prefix in ("ghp", "gho", "ghu", "ghs", "ghr")),
    Token("github", "github_pat_", ALNUM | UNDERSCORE, 82, 82),
    # GitLab: personal, pipeline trigger, runner, deploy, feed and agent tokens ("Token overview").
    *(
        Token("gitlab", f"{p}-", URLSAFE | POINT, 20, 300)
        for p in ("glpat", "glptt", "glrt", "gldt", "glft", "glagent")
    ),
    # Slack: bot, user, app, refresh, legacy tokens ("Token types"); webhooks are web addresses.
    *(Token("slack", f"xox{kind}-", ALNUM | HYPHEN, 20, 255) for kind in "abeoprs"),
    Token("slack", "xapp-", ALNUM | HYPHEN, 40, 255),
    Token("slack", "hooks.slack.com/services/", ALNUM | BASE64, 40, 60),
    # Google: API keys; OAuth access tokens and client secrets.
    Token("google", "AIza", URLSAFE, 35, 35),
    Token("google", "ya29.", URLSAFE, 40, 2048),
    Token("google", "GOCSPX-", URLSAFE, 28, 28),
    # Stripe: secret and restricted keys, live and test; signing secrets of webhooks ("API keys").
    *(Token("stripe", f"{kind}_{mode}_", ALNUM, 16, 247) for kind in ("sk", "rk") for mode in ("live", "test", "prod")),
    Token("stripe", "whsec_", ALNUM | BASE64, 32, 64),
    # OpenAI and Anthropic.
    *(Token("openai", f"sk-{kind}-", URLSAFE, 40, 255) for kind in ("proj", "svcacct", "admin")),
    Token("openai", "sk-", ALNUM, 48, 48),
    Token("anthropic", "sk-ant-", URLSAFE, 80, 160),
    # Registries of packages, models and images.
    Token("huggingface", "hf_", ALNUM, 34, 40),
    Token("npm", "npm_", ALNUM, 36, 36),
    Token("pypi", "pypi-AgE", URLSAFE, 50, 1000),
    Token("docker", "dckr_pat_", URLSAFE, 27, 27),
    # Other services, by their own documentation.
    Token("sendgrid", "SG.", URLSAFE | POINT, 66, 66),
    *(Token("shopify", f"{prefix}_", ALNUM, 32, 32) for prefix in ("shpat", "shpca", "shppa", "shpss")),
    *(Token("digitalocean", f"{prefix}_v1_", ALNUM, 64, 64) for prefix in ("dop", "doo", "dor")),
    Token("grafana", "glsa_", ALNUM | UNDERSCORE, 41, 41),
    Token("grafana", "glc_", ALNUM | BASE64, 32, 400),
    *(Token("vault", prefix, URLSAFE, 24, 300) for prefix in ("hvs.", "hvb.")),
    Token("databricks", "dapi", LOWER | NUMBERS, 32, 34),
    Token("atlassian", "ATATT3", URLSAFE, 180, 200),
    Token("linear", "lin_api_", ALNUM, 40, 40),
    Token("postman", "PMAK-", ALNUM | HYPHEN, 59, 59),
    Token("newrelic", "NRAK-", UPPER | NUMBERS, 27, 27),
    Token("square", "sq0atp-", URLSAFE, 22, 22),
    Token("square", "sq0csp-", URLSAFE, 43, 43),
    Token("age", "AGE-SECRET-KEY-1", UPPER | NUMBERS, 58, 58),
)

PRIVATE_KEY, JWT, URL_PASSWORD, ASSIGNMENT = "private_key", "jwt", "url_password", "assignment"
TYPES = (PRIVATE_KEY, JWT, *dict.fromkeys(token.type for token in TOKENS), URL_PASSWORD, ASSIGNMENT)
"""The most specific first."""

# Names end in one of these, in lower case without hyphens and underscores.
NAMES = (
    *("password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "accesskey", "secretkey", "privatekey"),
    *("authkey", "accountkey", "encryptionkey", "signingkey", "sharedkey", "masterkey", "credential", "credentials"),
    *("passwort", "motdepasse", "contrasena", "contraseña", "пароль", "密码", "パスワード"),
)
# Values with one of these in them stand for a value, in lower case.
STANDINS = (
    "example",
    "your",
    "changeme",
    "placeholder",
    "redacted",
    "xxxx",
    "****",
    "....",
    "dummy",
    "${",
    "{{",
    "$(",
    "%(",
)

ROW_BYTES = 32


class Patterns(NamedTuple):
    """`prefixes` (k, ROW_BYTES) uint8: length, bytes; `shapes` (k, 4) int64: kind, letters, from, to; `heads` (256,)
    uint8: whether a prefix begins with this byte; `letters` (256,) uint8: the bits that a byte is of. `names` and
    `standins` (k, ROW_BYTES): length, bytes."""

    prefixes: Bytes
    shapes: Int64
    heads: Bytes
    letters: Bytes
    names: Bytes
    standins: Bytes


@cache
def patterns() -> Patterns:
    """The tables for the kernels."""
    heads, letters = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    for token in TOKENS:
        heads[ord(token.prefix[0])] = 1
    for bit, some in (
        (UPPER, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        (LOWER, b"abcdefghijklmnopqrstuvwxyz"),
        (NUMBERS, b"0123456789"),
        (UNDERSCORE, b"_"),
        (HYPHEN, b"-"),
        (POINT, b"."),
        (BASE64, b"+/="),
    ):
        letters[list(some)] |= bit
    shapes = [(TYPES.index(token.type), token.letters, token.least, token.most) for token in TOKENS]
    return Patterns(
        _rows([token.prefix for token in TOKENS]),
        np.array(shapes, np.int64),
        heads,
        letters,
        _rows(NAMES),
        _rows(STANDINS),
    )


def _rows(words: tuple[str, ...] | list[str]) -> Bytes:
    table = np.zeros((len(words), ROW_BYTES), np.uint8)
    for row, word in enumerate(map(str.encode, words)):
        table[row, : 1 + len(word)] = [len(word), *word]
    return table
