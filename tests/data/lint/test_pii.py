"""Personal data and secrets: what is found, what is left alone, and that no text takes long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.data.lint.pii import find_private, hint, kind_in_words, masked

MIXED = "a1B2c3D4e5F6g7H8i9J0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "QUJDREVG\n" * 20 + "-----END RSA PRIVATE KEY-----"

FOUND = [
    ("email", "ann@acme.co"),
    ("email", "foo.bar+x@mail.city.lib.jp"),
    ("email", "bob_7@acme-corp.io"),
    ("phone", "090-1234-5678"),
    ("phone", "09012345678"),
    ("phone", "03-1234-5678"),
    ("phone", "(03)1234-5678"),
    ("phone", "03(1234)5678"),
    ("phone", "0463-12-3456"),
    ("phone", "０９０ー１２３４ー５６７８"),
    ("phone", "０３－１２３４－５６７８"),
    ("phone", "+81 90-1234-5678"),
    ("phone", "+819012345678"),
    ("phone", "+49 30 12345678"),
    ("phone", "+1 (415) 867-5309"),
    ("phone", "415-867-5309"),
    ("phone", "(415) 867-5309"),
    ("phone", "1-415-867-5309"),
    ("phone", "415.867.5309"),
    ("card", "4111 1111 1111 1111"),
    ("card", "5555-5555-5555-4444"),
    ("card", "378282246310005"),
    ("card", "3782 822463 10005"),
    ("card", "30569309025904"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "NO93 8601 1117 947"),
    ("iban", "BE68 5390 0754 7034"),
    ("key", "AKIAIOSFODNN7QWERTYU"),
    ("key", "ghp_" + MIXED * 2),
    ("key", "github_pat_" + MIXED * 3),
    ("key", "glpat-" + MIXED),
    ("key", "sk-proj-" + MIXED * 2),
    ("key", "sk-" + MIXED * 2 + "abcdefgh"),
    ("key", "sk_live_" + MIXED),
    ("key", "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    ("key", "xoxb-123456789012-" + MIXED),
    ("key", "AIza" + (MIXED * 2)[:35]),
    ("token", f"eyJ{MIXED}.eyJ{MIXED}.{MIXED}"),
    ("private_key", PEM),
]


@pytest.mark.parametrize(("kind", "secret"), FOUND, ids=[f"{kind} {secret[:20]}" for kind, secret in FOUND])
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("see: ", ", and"), ("連絡先は", "です。"), ("(", ")"), ("🙂\n", "\n本"), ('"', '"')],
)
def test_what_is_private_is_found_where_it_stands(kind, secret, before, after):
    text = f"{before}{secret}{after}"
    assert find_private(text) == [(kind, len(before), len(before) + len(secret))]
    assert masked(text) == f"{before}[{kind}]{after}"
    assert secret not in hint(secret) and len(hint(secret)) <= 6


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.com, bob@mail.example.org, c@example, d@host.test, e@printer.local",
        "git@github.com:acme/app.git, noreply@acme.co, logo@2x.png, jquery@3.7.min.js, @app.get, a@b",
        "03-0000-0000, 090-0000-0000, 000-0000-0000, 0120-123-456, 0800-123-4567, 00-1234-5678",
        "212-555-0123, (555) 555-0199, +1 212 555 0187, 1-800-867-5309, 123-456-7890, 415-867-0000",
        "2024-05-01 12:30:45, 2024/05/01, ISBN 978-4-06-519981-7, 〒100-0001, 192.168.100.100:8080",
        "3.14159265358979323846, 12345678901234567890, 1,234,567,890, +12345678, 1 2 3 4 5 6 7 8 9 10 11",
        "4111 1111 1111 1112, 4111111111111113, 1234567812345670, 0000 0000 0000 0000, 41111111-11111111",
        "DE89 3704 0044 0532 0130 01, XX89 3704 0044 0532 0130 00, ABCD 1234 5678 9012",
        "123456789018, 1234 5678 9018, マイナンバーカード, マイナンバーは 0000 0000 0000",
        "AKIAIOSFODNN7EXAMPLE, ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, sk-your-api-key-here-1234567890-ABCDEF",
        "class sk-loading-spinner-with-many-dots-in-a-row, hf_hub_download, sk-learn, AIzakaya, eyJ, xoxo-xoxo",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\n" + "QUJDREVG\n" * 20,
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b; secret: da39a3ee5e6b4b0d3255bfef95601890afd80709",
    ],
)  # fmt: skip
def test_what_documentation_and_numbers_are_made_of_is_left_alone(text):
    assert find_private(text) == []
    assert masked(text) is text


@pytest.mark.parametrize(
    "text",
    [
        "マイナンバーは1234 5678 9012です",
        "個人番号：123456789012",
        "My Number: 1234-5678-9012",
        "マイナンバー １２３４５６７８９０１２",
    ],
)
def test_a_my_number_needs_its_name(text):
    [(kind, start, end)] = find_private(text)
    assert kind == "my_number" and len([letter for letter in text[start:end] if letter.isdigit()]) == 12


def test_an_aws_secret_needs_its_name():
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY"
    for before in ("aws_secret_access_key = ", 'AWS_SECRET_ACCESS_KEY="', '"SecretAccessKey": "'):
        assert find_private(before + secret) == [("key", len(before), len(before) + 40)]
    assert find_private(f"the secret of {secret}") == []


def test_a_word_in_capitals_behind_an_iban_stays():
    assert masked("BE68 5390 0754 7034 THEN PAY") == "[iban] THEN PAY"


def test_several_finds_stand_in_order_and_a_key_that_is_cut_short_reaches_to_the_end():
    text = f"ann@acme.co 2024-05-01 090-1234-5678 {PEM[:120]}"
    assert [kind for kind, _, _ in find_private(text)] == ["email", "phone", "private_key"]
    assert masked(text) == "[email] 2024-05-01 [phone] [private_key]"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("ann@acme.co", "a…@…"),
        ("anna@acme.co", "an…@…"),
        ("a@acme.co", "…@…"),
        ("090-1234-5678", "090…"),
        (PEM, "BEG…"),
    ],
)
def test_a_hint_gives_nothing_away(found, shown):
    assert hint(found) == shown


def test_every_kind_has_words():
    kinds = {kind for kind, _ in FOUND} | {"my_number"}
    assert len({kind_in_words(kind) for kind in kinds}) == len(kinds)


pieces = st.sampled_from(
    [secret for _, secret in FOUND] + [" ", "-", "a", "1", "@", ".", "本", "\n", "０", "ー", "(", "+", "\ud800"]
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_finds_are_in_order_without_overlap_and_gone_once_masked(text):
    found = find_private(text)
    places = [place for _, start, end in found for place in (start, end)]
    assert places == sorted(places) and all(start < end for _, start, end in found)
    shown = text
    for kind, start, end in reversed(found):
        shown = f"{shown[:start]}[{kind}]{shown[end:]}"
    assert masked(text) == shown


HOSTILE = [
    "1",
    "1 ",
    "12-",
    "a",
    "a@",
    "a.",
    "a@a.",
    "@",
    "-----BEGIN PRIVATE KEY-----",
    "eyJ",
    "eyJaaaaaaaaaaaa.",
    "ghp_",
]
HOSTILE += [
    "sk-a",
    "xoxb-1",
    "AKIA",
    "AKIAA",
    "+1",
    "+1 ",
    "(03)",
    "0",
    "DE89",
    "DE89 3704 ",
    "マイナンバー",
    "マイナンバー1",
]
HOSTILE += [
    "4111 ",
    "4111-1111-1111-1111-",
    "secretA",
    "secret_key = ",
    "０",
    "０ー",
    "github_pat_",
    "-----BEGIN A ",
    "090-",
    "(4",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_hostile_text_is_read_to_its_end(piece):
    """Quadratic work would take hours here, and the suite would not end."""
    text = piece * (1_000_000 // len(piece)) + "\n ann@acme.co"
    assert find_private(text)[-1] in (("email", len(text) - 11, len(text)), ("private_key", 0, len(text)))
