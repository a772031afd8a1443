"""A person has one code, however it was typed; what only looks the same is asked about."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.record.subject_codes import alike, clean

ZOE = "Zoë 7"
SAME = {
    "decomposed": unicodedata.normalize("NFD", ZOE),
    "white space around": f"\t {ZOE}\u3000\r\n",
    "more white space within": "Zoë \u00a0\u2009 7",
    "a line break within": "Zoë\n7",
    "a zero-width space": "Zo\u200bë 7",
    "a joiner": "Zoë\u200d 7\u2060",
    "a byte order mark": f"\ufeff{ZOE}",
    "marks of direction": f"\u202a{ZOE}\u202c\u200e",
    "a soft hyphen": "Zo\u00adë 7",
    "a grapheme joiner between a letter and its dots": "Zoe\u034f\u0308 7",
    "a variation selector": "Zoë 7\ufe0f",
    "a filler that is seen as nothing": "\u3164Zoë 7\u2800",
    "a control character": "Zoë\x07 7\x7f",
}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_what_nobody_sees_makes_no_other_person(code: str) -> None:
    assert clean(code) == ZOE


LOOKS_LIKE = {
    "capitals": ("Zoë", "ZOË"),
    "no dots": ("Zoë", "Zoe"),
    "a Cyrillic letter": ("PA1", "P\u04101"),
    "a Greek letter": ("Ko1", "K\u03bf1"),
    "a letter for a digit": ("PO1", "P01"),
    "an l for a one": ("P1", "Pl"),
    "full width": ("P1", "\uff30\uff11"),
    "a letter for formulas": ("P1", "\U0001d40f1"),
    "raised": ("P2", "P²"),
    "a dash of a word processor": ("P-1", "P–1"),
    "another separator": ("P-1", "P_1"),
    "a space more": ("P1", "P 1"),
    "zeros that a spreadsheet dropped": ("0012", "12"),
    "zeros after a letter": ("P001", "P1"),
    "a number taken for a decimal": ("12", "12.0"),
    "a decimal comma": ("12", "12,00"),
    "digits of another script": ("12", "١٢"),
    "a sharp s": ("Weiß", "WEISS"),
    "a stroke": ("Łukasz", "Lukasz"),
}


@pytest.mark.parametrize(("one", "other"), LOOKS_LIKE.values(), ids=LOOKS_LIKE)
def test_what_looks_like_another_code_is_alike_and_not_the_same(one: str, other: str) -> None:
    assert alike(one) == alike(other)
    assert clean(one) != clean(other)


OTHERS = [("P1", "P2"), ("P11", "P1-1"), ("P1", "P10"), ("1-2", "12"), ("Anna", "Hanna"), ("12.5", "125"), ("7", "7a")]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_codes_are_others(one: str, other: str) -> None:
    assert alike(one) != alike(other)


@given(st.text(max_size=20))
def test_a_cleaned_code_stays_as_it_is_and_is_alike(code: str) -> None:
    assert clean(clean(code)) == clean(code)
    assert alike(clean(code)) == alike(code)
    assert clean(unicodedata.normalize("NFD", code)) == clean(code)


# Each number has one look: a study of many thousands must not be asked about any two of them.
def test_no_two_numbers_are_alike() -> None:
    codes = [f"P{number:05}" for number in range(20_000)]
    assert len(set(map(alike, codes))) == len(codes)
