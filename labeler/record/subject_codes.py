"""How the code of a person is written: what is the same code, and what only looks like it. No database.

`clean` undoes what nobody sees: another composition of a letter, invisible characters, more white space. Two codes
that are one afterwards are one person. `alike` goes further: by case, by letters of other scripts that look the same,
by what a spreadsheet makes of a number. Such codes may be two persons, so somebody is asked.
"""

import re
import unicodedata

LONGEST = 100  # characters of a code: the column's

# Characters that are seen as nothing, beside those of category Cf: fillers of Hangul, blank Braille, and marks that
# choose between forms of a sign.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Letters of other scripts as the Latin ones that they look like, in both cases.
LATIN = str.maketrans(
    "АВЕКМНОРСТУХІЈЅЗаекморстухіјѕԁһԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχγϲıɑɡɩʟØøŁłĐđ",
    "ABEKMHOPCTYXIJS3aekmopctyxijsdhqwABEZHIKMNOPTYXaikvoptuxyciagilOoLlDd",
)
SEPARATORS = re.compile("[-_‐‑‒–—―−·./]+")
ZEROS = re.compile(r"(?<!\d)0+(?=\d)")  # in front of a number: a spreadsheet drops them
WHOLE = re.compile(r"(\d+)[.,]0+")  # a number as a program writes one that it took for a decimal
DIGITS = str.maketrans("oil|", "0111")  # small letters that look like digits


def without_unseen(text: str) -> str:
    """Return a text without characters that nobody sees, but for white space."""
    if text.isascii():
        return text
    return UNSEEN.sub("", "".join(sign for sign in text if sign.isascii() or unicodedata.category(sign) != "Cf"))


def clean(code: str) -> str:
    """Return a code as it is stored: composed Unicode, nothing invisible, one space between words and none around."""
    if code.isascii() and code.isprintable():  # nearly all are: a table has a million
        return " ".join(code.split())
    seen = "".join(
        sign for sign in without_unseen(code) if sign.isspace() or unicodedata.category(sign) not in {"Cc", "Cs"}
    )
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def alike(code: str) -> str:
    """Return what all codes have in common that look like this one."""
    text = clean(code)
    if whole := WHOLE.fullmatch(text):
        text = whole[1]
    bare = "".join((text if text.isascii() else _in_latin(text)).casefold().split())
    digits = bare if bare.isascii() else "".join(str(unicodedata.digit(sign, sign)) for sign in bare)
    return ZEROS.sub("", SEPARATORS.sub("-", digits.translate(DIGITS))) or text


def _in_latin(text: str) -> str:
    """Return a text without accents, in the Latin letters that it looks like."""
    letters = unicodedata.normalize("NFKD", text.translate(LATIN))
    return "".join(sign for sign in letters if not unicodedata.combining(sign)).translate(LATIN)
