"""Keys, tokens and passwords: what is one, and what is none. All are made up here, and put together at run time."""

from __future__ import annotations

import math
import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import TEXT
from curation.privacy import Secrets
from curation.privacy.secrets.patterns import ALNUM, BASE64, HYPHEN, LOWER, NUMBERS, POINT, TOKENS, UNDERSCORE, UPPER
from tests.privacy.found import annotated, found

SECRETS = Secrets()
_LETTERS = {
    UPPER: string.ascii_uppercase,
    LOWER: string.ascii_lowercase,
    NUMBERS: string.digits,
    UNDERSCORE: "_",
    HYPHEN: "-",
    POINT: ".",
    BASE64: "+/",
}


def made(length: int, letters: int = ALNUM, seed: int = 1) -> str:
    """A random word of these letters."""
    some = "".join(each for bit, each in _LETTERS.items() if letters & bit)
    rng = random.Random(seed)
    return "".join(rng.choice(some) for _ in range(length - 1)) + "7"


def pem(label: str, lines: int = 4, joint: str = "\n") -> str:
    body = joint.join(made(64, ALNUM | BASE64, seed) for seed in range(lines))
    return f"-----BEGIN {label}-----{joint}{body}{joint}-----END {label}-----"


JWT = f"ey{'J'}{made(20)}.ey{'J'}{made(60)}.{made(43)}"


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: f"{token.type}-{token.prefix}")
def test_every_providers_token_is_found(token: tuple[str, str, int, int, int]) -> None:
    provider, prefix, letters, least, most = token
    for length in {least, most}:
        value = prefix + made(length, letters)
        assert found(SECRETS, f"key: {value}, ok") == [(provider, value)]
        assert found(SECRETS, f"é({value})") == [(provider, value)]
        assert found(SECRETS, f"A{value}") == []
    assert found(SECRETS, prefix + made(least - 1, letters & ~(HYPHEN | POINT))) == []
    assert found(SECRETS, f"{prefix}{'x' * least}") == []
    assert found(SECRETS, f"{prefix}EXAMPLE{made(least - 7, letters)}") == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (f"Authorization: Bearer {JWT}", [("jwt", JWT)]),
        (f"see\n{pem('PRIVATE KEY')}\nend", [("private_key", pem("PRIVATE KEY"))]),
        (f"- {pem('RSA PRIVATE KEY')}", [("private_key", pem("RSA PRIVATE KEY"))]),
        (f"'{pem('EC PRIVATE KEY', joint=chr(92) + 'n')}'", [("private_key", pem("EC PRIVATE KEY", joint="\\n"))]),
        (pem("OPENSSH PRIVATE KEY")[:150] + " <cut>", [("private_key", pem("OPENSSH PRIVATE KEY")[:150])]),
        ("postgres://joe:s3cret@db/x", [("url_password", "s3cret")]),
        ('password = "Tr0ub4dor&3x"', [("assignment", "Tr0ub4dor&3x")]),
        ("{'db-passwd': 'hunter2hunter9'}", [("assignment", "hunter2hunter9")]),
        (f"apiKey := `{made(32)}`", [("assignment", made(32))]),
        (f"export CLIENT_SECRET={made(24)}\n", [("assignment", made(24))]),
        (f"AccountKey={made(86, ALNUM | BASE64)}==;Endpoint", [("assignment", made(86, ALNUM | BASE64) + "==")]),
        ('密码："x"\n密码: "abcd1234efgh"', [("assignment", "abcd1234efgh")]),
        (f'password = "{JWT}"', [("jwt", JWT)]),  # the more specific of two
    ],
)
def test_what_is_found(text: str, values: list[tuple[str, str]]) -> None:
    assert found(SECRETS, text) == values


@pytest.mark.parametrize(
    "text",
    [
        *(
            "password = get_password(user1, key2)",
            "token = self.next_token_2",
            "password: see chapter 12 of the manual",
        ),
        *('password = "changeme123"', 'secret: "${SECRET_123}"', 'api_key = "your_api_key_1"', "password=********"),
        *('password = "aaaaaaa1"', 'password = "nodigitsatall"', 'password = "short1"', 'monkey = "abcd1234efgh"'),
        *(
            "https://example.com:8080/a@b",
            "https://user@example.com/",
            "https://a:${PASS}@example.com/",
            "http://h:1@x",
        ),
        *(pem("PUBLIC KEY"), pem("CERTIFICATE"), "-----BEGIN PRIVATE KEY-----", "--------------", "eyJhbGciOiJ9"),
        *("0f3256610d4dd3427bb0ec9f3f468742e6b55f00", "sk_livestock_is_sold_here_today", "the cat: a dog = animal"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert found(SECRETS, text) == []


def test_what_is_written_for_it() -> None:
    text = f'{{"password": "{made(20)}", "key": "{pem("PRIVATE KEY")}"}}'
    batch = annotated(SECRETS, text)
    assert batch[TEXT].to_pylist() == ['{"password": "<ASSIGNMENT>", "key": "<PRIVATE_KEY>"}']
    assert (batch["secrets.assignment"][0].as_py(), batch["secrets.total"][0].as_py()) == (1, 2)


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize(
    ("text", "left", "names"),
    [
        ('password = "zq8!{token}!fgh9k7"', 'password = "[]<GITHUB>[]"', ["assignment", "github", "assignment"]),
        (
            '{token} secret="k3y!{jwt}!{token}" {token}',
            '<GITHUB> secret="[]<JWT>[]<GITHUB>" <GITHUB>',
            ["github", "assignment", "jwt", "assignment", "github", "github"],
        ),
        ("é https://joe:{token}@host 日", "é https://joe:<GITHUB>@host 日", ["github"]),
    ],
)
def test_what_stands_around_a_find_is_found_too(text: str, left: str, names: list[str], numbered: bool) -> None:
    token = "gh" + "p_" + made(36)
    text = text.replace("{token}", token).replace("{jwt}", JWT)
    stage = Secrets(numbered=numbered)
    (rewritten,) = annotated(stage, text)[TEXT].to_pylist()
    assert re.sub(r"_\d+>", ">", rewritten) == left.replace("[]", "<ASSIGNMENT>")
    assert [name for name, _ in found(stage, text)] == names
    assert annotated(stage, rewritten)["secrets.total"].to_pylist() == [0]


def test_types_can_be_left_out() -> None:
    text = f"{JWT} https://a:passw0rd@b.co"
    assert [name for name, _ in found(Secrets(types=("url_password",)), text)] == ["url_password"]
    with pytest.raises(ValidationError, match=r"unknown are jwts; known are private_key, jwt"):
        Secrets(types=("jwts",))


@given(st.text("abcAB12!$", min_size=8, max_size=24), st.sampled_from([1.0, 2.75, 3.5]))
def test_the_bound_is_shannons_entropy(value: str, least: float) -> None:
    entropy = -sum(p * math.log2(p) for p in (value.count(c) / len(value) for c in set(value)))
    is_mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and value[0] != "$"
    expected = [("assignment", value)] if is_mixed and entropy >= least + 1e-9 else []
    if abs(entropy - least) > 1e-9:
        assert found(Secrets(min_entropy=least), f'password = "{value}"') == expected


PIECES = st.sampled_from(
    [
        *(
            JWT,
            pem("PRIVATE KEY", 1),
            "AKI" + "A" + made(16, UPPER | NUMBERS),
            "gh" + "p_" + made(36),
            made(20),
            made(9),
        ),
        *(
            "password",
            "token",
            "=",
            ":",
            '"',
            "'",
            " ",
            " ",
            "\n",
            "-----",
            "://",
            "joe",
            "k3y!",
            "@",
            "é",
            "日本",
            "<JWT>",
            ".",
        ),
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join), st.booleans())
def test_what_is_left_holds_nothing_more(text: str, numbered: bool) -> None:
    stage = Secrets(numbered=numbered)
    once = annotated(stage, text)
    again = annotated(stage, *once[TEXT].to_pylist())
    assert again["secrets.total"].to_pylist() == [0]
    assert again[TEXT].to_pylist() == once[TEXT].to_pylist()


def test_text_made_to_be_slow_is_not() -> None:
    hard = ["x" * 200_000, "xoxb-" * 40_000, "eyJ-" * 50_000, "-" * 200_000, "-----BEGIN PRIVATE KEY " * 10_000]
    annotated(SECRETS, *hard, "password=" * 20_000, "://a:" * 40_000, "_" * 100_000 + "=", 'token="' * 30_000)
