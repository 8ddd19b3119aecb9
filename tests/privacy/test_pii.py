"""Addresses and numbers of people: what is one, what is none, and what becomes of the text."""

from __future__ import annotations

import ipaddress
from itertools import pairwise

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import TEXT, document_batch, with_column
from curation.privacy import Pii
from curation.privacy.pii.kernels import is_global
from curation.privacy.pii.tables import constants, iban_lengths
from tests.privacy import reference
from tests.privacy.found import annotated, found, places

PII = Pii()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Write to <joe.doe+news@mail.example.co.uk>.", [("email", "joe.doe+news@mail.example.co.uk")]),
        ("请联系zhang_3@example.cn谢谢", [("email", "zhang_3@example.cn")]),
        ("Grüße an jörg.müller@bücher.example, bitte", [("email", "jörg.müller@bücher.example")]),
        ("{'mail':'o'neil@example.com','n':1}", [("email", "o'neil@example.com")]),
        ("a@b.co;c@d.org", [("email", "a@b.co"), ("email", "c@d.org")]),
        ("post@example.xn--p1ai", [("email", "post@example.xn--p1ai")]),
        ("ends here: a@example.com.8.8", [("email", "a@example.com")]),
        ("IBAN GB82 WEST 1234 5698 7654 32, please", [("iban", "GB82 WEST 1234 5698 7654 32")]),
        ("(DE89370400440532013000)", [("iban", "DE89370400440532013000")]),
        ("NO93 8601 1117 947 12 apples", [("iban", "NO93 8601 1117 947")]),
        ("card 4111 1111 1111 1111 12/29", [("card", "4111 1111 1111 1111")]),
        ("5555-5555-5555-4444, 378282246310005", [("card", "5555-5555-5555-4444"), ("card", "378282246310005")]),
        ("Amex 3782 822463 10005.", [("card", "3782 822463 10005")]),
        ("card no. 36148900647913", [("card", "36148900647913")]),
        ("卡号4111111111111111。", [("card", "4111111111111111")]),
        ("SSN 536-22-1234.", [("ssn", "536-22-1234")]),
        ("social security: 536221234", [("ssn", "536221234")]),
        ("ssn 536 22 1234", [("ssn", "536 22 1234")]),
        ("from 81.2.69.142:443 and [81.2.69.160]", [("ipv4", "81.2.69.142"), ("ipv4", "81.2.69.160")]),
        ("https://81.2.69.142/x", [("ipv4", "81.2.69.142")]),
        ("81.2.69.142-81.2.69.160", [("ipv4", "81.2.69.142"), ("ipv4", "81.2.69.160")]),
        ("the nameserver 8.8.8.8 answers", [("ipv4", "8.8.8.8")]),
        ("in the last version. The client 81.2.69.142", [("ipv4", "81.2.69.142")]),
        ("peer 2a02:8071:b5c0::1.", [("ipv6", "2a02:8071:b5c0::1")]),
        ("[2600:1F18:1:2:3:4:5:6]:443", [("ipv6", "2600:1F18:1:2:3:4:5:6")]),
        ("2a02::8.8.4.4 there", [("ipv6", "2a02::8.8.4.4")]),
        ("::ffff:81.2.69.142", [("ipv4", "81.2.69.142")]),
        ("Tel. (212) 555-0146 or 1-303-555-0167", [("phone", "(212) 555-0146"), ("phone", "1-303-555-0167")]),
        ("+49 30 23125 456 9.3.1. Owners", [("phone", "+49 30 23125 456")]),
        ("+1 617 555-0106 12 items", [("phone", "+1 617 555-0106")]),
        ("(+44) 20 7946 0107", [("phone", "(+44) 20 7946 0107")]),
        ("call 2125550146 now", [("phone", "2125550146")]),
        (
            "212\u2011555\u20110146, 415\u00a0555\u00a00109",
            [("phone", "212‑555‑0146"), ("phone", "415\u00a0555\u00a00109")],
        ),
        ("Room 12 415-555-0109", [("phone", "415-555-0109")]),
    ],
)
def test_what_is_found(text: str, values: list[tuple[str, str]]) -> None:
    assert found(PII, text) == values


@pytest.mark.parametrize(
    "text",
    [
        *("user@localhost", "pkg@1.2.3", "lodash@1.0.0-beta.rc", "@Override", "icon@2x.png", "a @ b.co", "a@b..co"),
        *("x" * 70 + "@example.com", "a@-b.com", "a@b.c"),
        *("GB82 WEST 1234 5698 7654 33", "DE8937040044053201300", "XDE89370400440532013000", "DE893704004405320130001"),
        *(
            "4111 1111 1111 1112",
            "1234567812345670",
            "4111-1111-1111-1111-1",
            "0.4111111111111111",
            "blk_-4111111111111111",
        ),
        *("36148900647913", "41 1111 1111 111111", "x4111111111111111", "4222222222222"),
        *("000-12-3456", "666-12-3456", "900-12-3456", "536-00-1234", "536-22-0000", "078-05-1120"),
        *("536221234", "536 22 1234", "536-22-1234-5", "1-536-22-1234"),
        *("10.0.0.1", "192.168.1.1", "203.0.113.9", "255.255.255.0", "100.64.0.1", "127.0.0.1", "081.2.69.142"),
        *("81.2.69.256", "81.2.69", "81.2.69.142.3", "Upgrade from 7.20.18.1 first", "1.13.30.8", "v81.2.69.142"),
        *("lib-81.2.69.142", "Agent/81.2.69.142", "81.2.69.142-beta", "version 81.2.69.142", "\n8.3.1.1. DNS"),
        *("2001:db8::1", "fe80::1", "fd00::1", "2026:11:23", "2a02:1:2:3:4:5:6:7:8", "2a02::1::2", "std::vector"),
        *("3fff::1", "2002:102:304::", "12:30:45", "2a02:zz::1", "0a:1b:2c:3d:4e:5f"),
        *("2017-07-27 12:30", "01.05.1959 10:20", "978-2-6330-3069-4", "189-491-331", "1715687970", "1784221639000"),
        *("252.227-7013", "212 555 0146 303 555 0167", "415-555-0109-77", "https://x.org/415-555-0109-1", "+123"),
        *("ISBN 415-555-0109", "115-555-0109", "46.264381, -106.772053", "0f3256610d4dd3427bb0ec9f3f4687"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert found(PII, text) == []


@pytest.mark.parametrize(
    ("region", "text", "value"),
    [
        ("GB", "020 7946 0107", "020 7946 0107"),
        ("DE", "Tel. 030/23125-456", "030/23125-456"),
        ("FR", "le 01 23 45 67 89.", "01 23 45 67 89"),
        ("ES", "llame al 912 34 56 78", "912 34 56 78"),
        ("BR", "ligue (11) 96123-4567", "(11) 96123-4567"),
        ("CN", "他的号码 131 2345 6789。", "131 2345 6789"),
        ("DE", "am 01.05.1959 geboren", None),
        ("FR", "0123456789", None),
    ],
)
def test_numbers_without_a_country_code_belong_to_a_region(region: str, text: str, value: str | None) -> None:
    assert found(Pii(regions=(region,)), text) == ([("phone", value)] if value else [])
    assert found(PII, text) == []


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_number_of_every_country_is_found_by_its_code(region: str) -> None:
    number = phonenumbers.example_number(region)
    assert number is not None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    assert found(PII, f"Her number: {written}, ask for Jo.") == [("phone", written)]


def test_the_more_specific_type_stays() -> None:
    assert found(PII, "212-555-0146@example.com") == [("email", "212-555-0146@example.com")]
    assert found(Pii(types=("phone",)), "call 4111 1111 1111 1111") == []
    assert found(Pii(types=("ipv4",)), "2a02::81.2.69.142") == [("ipv4", "81.2.69.142")]


def test_every_type_can_be_left_out() -> None:
    text = "a@b.co GB82WEST12345698765432 5555555555554444 536-22-1234 2a02::1 81.2.69.142 212-555-0146"
    names = [name for name, _ in found(PII, text)]
    assert sorted(names) == sorted(Pii.TYPES)
    for name in Pii.TYPES:
        assert [one for one, _ in found(Pii.model_validate({"types": [name]}), text)] == [name]


def test_spans_are_code_points_of_the_text_as_it_came() -> None:
    text = "Ünïcödé 😀 日本 a@b.co — and 😀 +49 30 23125 456"
    batch = annotated(PII, text, "", "nothing here")
    assert [text[a:b] for _, a, b in places(PII, text)] == ["a@b.co", "+49 30 23125 456"]
    assert batch["pii.spans"].to_pylist()[1:] == ["", ""]
    assert batch[TEXT].to_pylist() == ["Ünïcödé 😀 日本 <EMAIL> — and 😀 <PHONE>", "", "nothing here"]
    assert (batch["pii.email"].to_pylist(), batch["pii.total"].to_pylist()) == ([1, 0, 0], [2, 0, 0])


def test_a_slice_of_a_batch_is_read_where_it_begins() -> None:
    batch = document_batch(["a@b.co", "x", "é c@d.org", "e@f.net"], source="s", shard="f").slice(2, 1)
    out = PII.annotate(batch)
    assert (out["pii.spans"].to_pylist(), out[TEXT].to_pylist()) == (["email:2-9"], ["é <EMAIL>"])


def test_equal_values_have_equal_numbers() -> None:
    stage = Pii(numbered=True, placeholders={"email": "|||MAIL|||"})
    text = "a@b.co, +49 30 23125 456, c@d.org, A@b.co, +493023125456"
    (rewritten,) = annotated(stage, text)[TEXT].to_pylist()
    assert rewritten == "|||MAIL_1|||, <PHONE_1>, |||MAIL_2|||, |||MAIL_1|||, <PHONE_1>"


TWO = "a@b.co and c@d.org"


@pytest.mark.parametrize(
    ("options", "rewritten", "why"),
    [
        ({}, "<EMAIL> and <EMAIL>", None),
        ({"max_count": 2}, "<EMAIL> and <EMAIL>", None),
        ({"max_count": 1}, "<EMAIL> and <EMAIL>", "pii.too_many"),
        ({"max_counts": {"email": 1}}, "<EMAIL> and <EMAIL>", "pii.too_many_email"),
        ({"max_counts": {"phone": 0}}, "<EMAIL> and <EMAIL>", None),
        ({"action": "tag"}, TWO, None),
        ({"action": "drop", "max_count": 2}, TWO, None),
        ({"action": "drop"}, TWO, "pii.too_many"),
        ({"action": "drop", "max_counts": {"phone": 0}}, TWO, None),
        ({"by_source": {"here": {"max_count": 0}}}, "<EMAIL> and <EMAIL>", "pii.too_many"),
    ],
)
def test_what_is_done(options: dict[str, object], rewritten: str, why: str | None) -> None:
    stage = Pii.model_validate(options)
    batch = annotated(stage, TWO)
    assert batch[TEXT].to_pylist() == [rewritten]
    assert stage.drop_reasons(batch).to_pylist() == [why]
    assert batch["pii.email"].to_pylist() == [2]
    assert why is None or why in stage.reasons()


@pytest.mark.parametrize("action", ["redact", "drop", "tag"])
def test_only_a_stage_that_redacts_rewrites_and_every_one_can(action: str) -> None:
    stage = Pii.model_validate({"action": action})
    assert stage.rewrites == (action == "redact")
    scratch = with_column(document_batch([TWO], source="s", shard="f"), "~of_the_text", pa.array([1]))
    assert ("~of_the_text" in stage.annotate(scratch).schema.names) == (not stage.rewrites)
    assert stage.redacted(pa.array([TWO, "x"], pa.large_string())).to_pylist() == ["<EMAIL> and <EMAIL>", "x"]


def test_a_drop_says_how_many_and_how_many_are_allowed() -> None:
    stage = Pii(max_count=1)
    batch = annotated(stage, TWO)
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert (evidence.values.to_pylist(), evidence.thresholds.to_pylist()) == ([2.0], [1.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regions": ["XX", "us"]}, "no numbering plan for XX, us"),
        ({"types": []}, "at least 1"),
        ({"types": ["name"]}, "email"),
        ({"action": "tag", "max_count": 3}, "tag drops nothing"),
        ({"types": ["email"], "max_counts": {"phone": 3}}, "max_counts names phone"),
        ({"placeholders": {"mail": "<M>"}}, "placeholders names mail"),
        ({"placeholders": {"email": "a@b.co"}}, "pattern"),
        ({"placeholders": {"email": ""}}, "pattern"),
    ],
)
def test_wrong_options_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Pii.model_validate(options)


PIECES = st.sampled_from(
    [
        *("a@b.co", "x.y@example.org", "GB82 WEST 1234 5698 7654 32", "4111-1111-1111-1111", "5555555555554444"),
        *("536-22-1234", "81.2.69.142", "2a02::1", "+49 30 23125 456", "(212) 555-0146", "2125550146", "536221234"),
        *(
            "tel",
            "ssn",
            "card",
            "version",
            "ip",
            "é",
            "😀",
            "日本",
            "word",
            "12",
            "1",
            "2024-05-01",
            "a",
            "G",
            "@",
            "+",
        ),
        *("<EMAIL>", ".", "-", "/", ":", ",", "(", ")", " ", " ", " ", "\n", "_", "\u00a0"),
    ]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_what_is_left_holds_nothing_more_and_all_else_is_unchanged(texts: list[str], numbered: bool) -> None:
    stage = Pii(numbered=numbered)
    batch = annotated(stage, *texts)
    for text, rewritten in zip(texts, batch[TEXT].to_pylist(), strict=True):
        spans = places(stage, text)
        assert all(a < b for _, a, b in spans)
        assert all(before[2] <= after[1] for before, after in pairwise(spans))
        outside = [text[a:b] for a, b in zip([0, *(s[2] for s in spans)], [*(s[1] for s in spans), None], strict=True)]
        rest = rewritten
        for index, piece in enumerate(outside):
            assert rest.startswith(piece)
            rest = rest[len(piece) :]
            if index < len(spans):
                assert rest.startswith(f"<{spans[index][0].upper()}")
                rest = rest.partition(">")[2]
        assert rest == ""
    again = annotated(stage, *batch[TEXT].to_pylist())
    assert again["pii.total"].to_pylist() == [0] * len(texts)
    assert again[TEXT].to_pylist() == batch[TEXT].to_pylist()


@given(st.lists(TEXTS, min_size=2, max_size=5))
def test_documents_do_not_know_one_another(texts: list[str]) -> None:
    alone = pa.Table.from_batches([annotated(PII, text).select([TEXT, "pii.spans"]) for text in texts])
    together = pa.Table.from_batches([annotated(PII, *texts).select([TEXT, "pii.spans"])])
    assert alone.to_pydict() == together.to_pydict()


DIGITS = st.text("0123456789", min_size=15, max_size=16)


@given(DIGITS, st.sampled_from(["", " ", "-"]), st.booleans())
def test_cards_are_those_of_the_definition(digits: str, joint: str, fits: bool) -> None:
    if fits:
        digits = next(f"4{digits[1:15]}{d}" for d in "0123456789" if reference.luhn(f"4{digits[1:15]}{d}"))
    text = joint.join(digits[k : k + 4] for k in range(0, len(digits), 4))
    if len(digits) == 16:
        expected = reference.card(text)
        is_other = digits[0] in "236" or digits[:2] in ("50", "56", "57", "58", "59", "81")
        assert is_other or (found(Pii(types=("card",)), text) == [("card", text)]) == expected


@given(st.sampled_from(["DE", "GB", "NO", "MT", "XX"]), st.integers(0, 98), st.text("0123456789ABZ -", max_size=40))
def test_ibans_are_those_of_the_definition(country: str, check: int, rest: str) -> None:
    text = f"{country}{check:02d}{rest}"
    values = found(Pii(types=("iban",)), text)
    assert all(reference.iban(value) for _, value in values)
    assert not reference.iban(text) or values == [("iban", text)]


@given(st.sampled_from(["DE", "GB", "FR", "NO", "MT"]), st.data())
def test_an_iban_with_the_right_check_digits_is_found(country: str, data: st.DataObject) -> None:
    length = iban_lengths()[country] - 4
    account = data.draw(st.text("0123456789ABCXYZ", min_size=length, max_size=length))
    check = 98 - int("".join(str(int(c, 36)) for c in f"{account}{country}00")) % 97
    text = f"{country}{check:02d}{account}"
    assert reference.iban(text)
    spaced = " ".join(text[k : k + 4] for k in range(0, len(text), 4))
    assert found(PII, f"to {text}, {spaced}.") == [("iban", text), ("iban", spaced)]


@given(st.from_regex(r"\A[0-9]{3}-[0-9]{2}-[0-9]{4}\Z"))
def test_social_security_numbers_are_those_of_the_definition(text: str) -> None:
    assert (found(Pii(types=("ssn",)), text) == [("ssn", text)]) == reference.ssn(text)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_public_where_pythons_is(value: int) -> None:
    address = ipaddress.IPv4Address(value)
    if address not in ipaddress.ip_network("192.0.0.0/24"):  # later Pythons know more of it
        assert is_global(np.uint64(value), constants()[2]) == address.is_global
    is_version = max(address.packed) < 50
    assert (found(Pii(types=("ipv4",)), f"ip {address}") == [("ipv4", str(address))]) == (
        is_global(np.uint64(value), constants()[2])
    )
    assert not is_version or found(Pii(types=("ipv4",)), f"{address}") == []


@pytest.mark.parametrize(("address", "public"), [("192.0.0.8", False), ("192.0.0.9", True), ("192.0.0.11", False)])
def test_special_addresses_are_ianas(address: str, public: bool) -> None:
    assert is_global(np.uint64(int(ipaddress.ip_address(address))), constants()[2]) == public


_NEW = [ipaddress.ip_network(each) for each in ("2001::/23", "2002::/16", "3fff::/20")]


@given(st.integers(0, 2**128 - 1), st.sampled_from(["compressed", "exploded", "upper", "tail"]))
def test_ipv6_addresses_are_those_of_the_standard(value: int, form: str) -> None:
    value = value if value % 3 == 0 else (0x2A02 << 112) | (value % 2**16 if value % 2 else value % 2**112)
    address = ipaddress.IPv6Address(value)
    text = address.exploded if form == "exploded" else address.compressed
    text = text.upper() if form == "upper" else text
    if form == "tail":
        head, v4 = address.exploded[:29], ipaddress.IPv4Address(value % 2**32)
        text = f"{head}:{v4}"
    is_given_out = address in ipaddress.ip_network("2000::/3") and not any(address in network for network in _NEW)
    assert (found(Pii(types=("ipv6",)), f"[{text}]") == [("ipv6", text)]) == (is_given_out and address.is_global)


@given(st.text("0123456789abcdef:.gG", max_size=30))
def test_what_is_no_ipv6_address_is_not_found(rest: str) -> None:
    for _, value in found(Pii(types=("ipv6",)), f"2a02:{rest}"):
        assert ipaddress.IPv6Address(value).is_global


@given(st.text("ab1.@-_+' ,<", max_size=40))
def test_addresses_are_those_of_the_expression(text: str) -> None:
    values = [value for _, value in found(Pii(types=("email",)), text)]
    for value in values:
        assert reference.EMAIL.fullmatch(value), value
    for match in reference.EMAIL.finditer(text):
        assert any(value in match[0] or match[0] in value for value in values)


def test_text_made_to_be_slow_is_not() -> None:
    for hard in (
        "@" * 200_000,
        "a" * 200_000 + "@b.co",
        "1-" * 100_000,
        "1 " * 100_000,
        "a@b." * 50_000,
        "2:" * 100_000,
    ):
        annotated(PII, hard)  # each position is read in bounded time, or this takes minutes
