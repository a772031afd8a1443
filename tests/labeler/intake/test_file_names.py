"""A row's name is the right file's, or none's: whatever archives, file systems and spreadsheets made of it."""

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.intake.file_names import Erased, Fault, FileNames, Match, clean, fitting
from labeler.record.subject_codes import without_unseen


def matched(files: Sequence[str], *rows: str, refused: Sequence[str] = ()) -> list[str | Fault | None]:
    """Return the name of the file that each row is matched with, or why none is."""
    names = FileNames(
        [*((clean(name), place) for place, name in enumerate(files)), *((name, None) for name in refused)]
    )
    found = names.match(rows)
    return [files[match.image] if (match := found[row]).image is not None else match.fault for row in rows]


# Folders and names that differ by no more than what programs change, so that mangled ones meet each other.
PARTS = st.sampled_from(["A", "a", "Nord", "nord", "B b", "B_b", "Mü", "1"])
BASES = st.sampled_from(["IMG_1", "img_1", "IMG 1", "ö", "Ö"])
SUFFIXES = st.sampled_from([".jpg", ".JPG", ".jpeg", ".png", ""])
PATHS = st.builds(
    lambda folders, base, suffix: "/".join([*folders, base + suffix]), st.lists(PARTS, max_size=3), BASES, SUFFIXES
)

# What becomes of a name on its way through archives, file systems and spreadsheets.
MANGLED = {
    "decomposed, as macOS stores it": ("Müller/Gesicht ö.jpg", unicodedata.normalize("NFD", "Müller/Gesicht ö.jpg")),
    "backslashes": ("A/IMG_1.jpg", "A\\IMG_1.jpg"),
    "a whole path of Windows": ("A/IMG_1.jpg", "C:\\Users\\Dr. Ähre\\Klinik\\A\\IMG_1.jpg"),
    "a network path": ("A/IMG_1.jpg", "\\\\server\\share\\A\\IMG_1.jpg"),
    "an address of object storage": ("A/IMG_1.jpg", "s3://clinic/A/IMG_1.jpg"),
    "an address of a file": ("A b/IMG_1.jpg", "file:///home/x/A%20b/IMG_1.jpg"),
    "a path from here": ("A/IMG_1.jpg", "./A/IMG_1.jpg"),
    "a folder more in front of the file": ("Klinik/A/IMG_1.jpg", "A/IMG_1.jpg"),
    "the base name alone": ("Klinik/A/IMG_1.jpg", "IMG_1.jpg"),
    "capitals": ("A/IMG_1.jpg", "a/img_1.JPG"),
    "sharp s in capitals": ("Strauß/1.jpg", "STRAUSS/1.JPG"),
    "another spelling of the suffix": ("A/IMG_1.jpeg", "A/IMG_1.jpg"),
    "no suffix": ("A/IMG_1.HEIC", "A/IMG_1"),
    "a file without a suffix": ("A/IMG_1", "A/IMG_1.jpg"),
    "a trailing dot and space, which Windows drops": ("A/IMG_1.jpg", "A. /IMG_1.jpg "),
    "a no-break space": ("A b/IMG 1.jpg", "A\u00a0b/IMG\u202f1.jpg"),
    "a space made an underscore": ("A b/IMG 1.jpg", "A_b/IMG_1.jpg"),
    "a sign that Windows forbids": ("A/10:30.jpg", "A/10_30.jpg"),
    "a private sign of macOS for that": ("A/10\uf02230.jpg", "A/10:30.jpg"),
    "percent signs": ("A b/ö.jpg", quote("A b/ö.jpg")),
    "a percent sign in a name": ("A/100 %25.jpg", "A/100 %25.jpg"),
    "an apostrophe before a formula": ("A/-1.jpg", "'A/-1.jpg"),
    "a dash and a quote that a word processor set": ("A/it's-1.jpg", "A/it’s–1.jpg"),
    "marks of direction": ("A/IMG_1.jpg", "\u202aA/IMG_1.jpg\u202c"),
    "full width": ("A/IMG_1.jpg", "Ａ/ＩＭＧ_１.jpg"),
    "two slashes": ("A/IMG_1.jpg", "A//IMG_1.jpg"),
    "spaces at the ends, which a table drops": (" A/ IMG_1 .jpg", "A/IMG_1 .jpg"),
    "two spaces made one": ("A  b/IMG  1.jpg", "A b/IMG 1.jpg"),
    "a space of a full width": ("A b/1.jpg", "A\u3000b/1.jpg"),
    "an image that a browser saved": ("A/1.jpg", "A/1.jfif"),
    "an apostrophe before a number": ("0012.jpg", "'0012.jpg"),
    "a selector of a form": ("A/☺.jpg", "A/☺\ufe0f.jpg"),
    "ligatures, which macOS takes for their letters": ("A/\ufb01.jpg", "A/FI.jpg"),
    "a letter that has two codes": ("A/K1.jpg", "A/\u212a1.jpg"),
}


@pytest.mark.parametrize(("file", "row"), MANGLED.values(), ids=MANGLED)
def test_a_mangled_name_is_its_files(file: str, row: str) -> None:
    assert matched([file, "B/other.jpg"], row) == [file]


# What no program does to a name, although it looks like it.
LOOKS_LIKE = {
    "a raised digit": ("P12.jpg", "P1².jpg"),
    "a digit in a circle": ("P1.jpg", "P①.jpg"),
    "a fraction": ("P½.jpg", "P1⁄2.jpg"),
    "a letter for formulas": ("P1.jpg", "\U0001d40f1.jpg"),
    "an underscore more at the end": ("IMG_1.jpg", "IMG_1_.jpg"),
    "an underscore before": ("1.jpg", "_1.jpg"),
    "two underscores": ("P 1.jpg", "P__1.jpg"),
    "an apostrophe after": ("1.jpg", "1'.jpg"),
    "two dots": ("a.jpg", "a..jpg"),
    "a space before the suffix": ("a.jpg", "a .jpg"),
    "a digit as a program would not write it": ("P1.jpg", "P%31.jpg"),
    "bytes that are no text": ("%FF.jpg", "%FE.jpg"),
    "percent signs with no digits": ("100%.jpg", "100%zz.jpg"),
    "a dotted capital": ("i1.jpg", "\u01301.jpg"),
    "a Cyrillic letter": ("A1.jpg", "\u04101.jpg"),
    "no umlaut": ("Mueller.jpg", "Müller.jpg"),
    "a query of an address": ("P1.jpg", "P1.jpg?x=1"),
    "a copy's number": ("IMG_1.jpg", "IMG_1 (1).jpg"),
}


@pytest.mark.parametrize(("file", "row"), LOOKS_LIKE.values(), ids=LOOKS_LIKE)
def test_a_name_that_only_looks_like_it_is_nobodys(file: str, row: str) -> None:
    assert matched([file], row) == [Fault.UNKNOWN]
    assert matched([row], file) == [Fault.UNKNOWN]


DASHES, QUOTES = "-‐‑‒–—―−", "'‘’‚‛′`´"


def is_ones_other_spelling(one: str, other: str) -> bool:
    """Whether a program may put one sign for the other, each by a rule of its own."""
    pair = tuple(unicodedata.normalize("NFC", sign) for sign in (one, other))
    ways = (
        pair[0] == pair[1],
        # By case folding: of APFS, which does it whole, or of a program that writes capitals.
        len({unicodedata.normalize("NFD", unicodedata.normalize("NFD", sign).casefold()) for sign in pair}) == 1,
        all(sign.isspace() or sign in '_<>:"|?*' or "\uf001" <= sign <= "\uf029" for sign in pair),
        all(sign in DASHES for sign in pair),
        all(sign in QUOTES for sign in pair),
        any("\uff00" <= sign <= "\uffef" for sign in pair),
        all(not without_unseen(sign) for sign in pair),
    )
    return any(ways)


def test_of_all_signs_only_those_are_alike_that_programs_change() -> None:
    by_look: dict[tuple[str, ...], list[str]] = {}
    for code in range(0x21, 0x20000):
        sign = chr(code)
        if unicodedata.category(sign) not in {"Cn", "Cs", "Co", "Cc", "Mn", "Mc", "Me"} and sign not in "/\\.%":
            names = FileNames([(f"x{sign}y", 1)])
            by_look.setdefault(names._known[0].key, []).append(sign)
    alike = [(signs[0], other) for signs in by_look.values() for other in signs[1:]]
    assert len(alike) > 1000
    assert [pair for pair in alike if not is_ones_other_spelling(*pair)] == []


NOT_THIS_ONE = {
    "another folder": (["A/IMG_1.jpg"], "B/IMG_1.jpg", Fault.UNKNOWN),
    "another clinic's folder of the same name": (["Süd/A/IMG_1.jpg"], "Nord/A/IMG_1.jpg", Fault.UNKNOWN),
    "a folder, of a file without one": (["IMG_1.jpg"], "B/IMG_1.jpg", Fault.UNKNOWN),
    "a base name of two": (["A/IMG_1.jpg", "B/IMG_1.jpg"], "IMG_1.jpg", Fault.SEVERAL),
    "a base name of two, one of them without a folder": (["IMG_1.jpg", "B/IMG_1.jpg"], "IMG_1.jpg", Fault.SEVERAL),
    "an end of two": (["Nord/A/IMG_1.jpg", "Süd/A/IMG_1.jpg"], "A/IMG_1.jpg", Fault.SEVERAL),
    "capitals of two": (["A/IMG_1.jpg", "a/img_1.jpg"], "A/img_1.JPG", Fault.SEVERAL),
    "a suffix of two": (["A/IMG_1.jpg", "A/IMG_1.png"], "A/IMG_1", Fault.SEVERAL),
    "two files of one name": (["A/IMG_1.jpg", "A/IMG_1.jpg"], "A/IMG_1.jpg", Fault.SEVERAL),
    "another format": (["A/IMG_1.jpg"], "A/IMG_1.heic", Fault.UNKNOWN),
    "zeros that a spreadsheet dropped": (["A/0012.jpg"], "12", Fault.UNKNOWN),
    "a number that a spreadsheet rounded": (["20240512123456.jpg"], "2,02405E+13", Fault.ROUNDED),
    "part of a folder's name": (["Patient A/IMG_1.jpg"], "A/IMG_1.jpg", Fault.UNKNOWN),
    "one sign with two codes": (["A/K1.jpg", "A/\u212a1.jpg"], "A/K1.jpg", Fault.SEVERAL),
    "nothing": (["A/IMG_1.jpg"], "", Fault.UNKNOWN),
    "a folder": (["A/IMG_1.jpg"], "A/", Fault.UNKNOWN),
}


@pytest.mark.parametrize(("files", "row", "fault"), NOT_THIS_ONE.values(), ids=NOT_THIS_ONE)
def test_a_name_that_may_be_anothers_is_nobodys(files: list[str], row: str, fault: Fault) -> None:
    assert matched(files, row) == [fault]


def test_a_refused_file_keeps_its_row_from_others() -> None:
    assert matched(["A/1.jpg"], "A/1.jpg", "B/1.jpg", refused=["B/1.jpg"]) == ["A/1.jpg", Fault.REFUSED]
    assert matched(["A/1.jpg"], "1.jpg", refused=["B/1.jpg"]) == [Fault.SEVERAL]
    assert matched(["A/1.jpg"], "1", refused=["A/1.mov", "A/1.aae"]) == ["A/1.jpg"]  # what a phone puts beside it


def test_a_file_sent_again_is_asked_about() -> None:
    names = FileNames([("A/1.jpg", 1), ("2.jpg", 2), ("3.jpg", None)], sent_again=["A/1.jpg", "B/2.jpg", "3.jpg"])
    found = names.match(["A/1.jpg", "1.jpg", "2.jpg", "3.jpg"])
    assert [match.fault for match in found.values()] == [*[Fault.RESENT] * 3, Fault.REFUSED]
    assert [match.image for match in found.values()] == [None] * 4
    assert names.match(["2.jpg", "B/2.jpg"])["2.jpg"].image == 2  # each of them has a row


# Names of erased files beside one that is here: (erased, file, row) -> the file's, or why not.
ERASED = {
    "the same name": ("1.jpg", "1.jpg", "1.jpg", Fault.SEVERAL),
    "the base name of both": ("P1/1.jpg", "P2/1.jpg", "1.jpg", Fault.SEVERAL),
    "the erased one's folder": ("P1/1.jpg", "P2/1.jpg", "P1/1.jpg", Fault.ERASED),
    "below more folders": ("P1/1.jpg", "P2/1.jpg", "C:\\Klinik\\P1\\1.JPG", Fault.ERASED),
    "an end of it": ("Klinik/P1/1.jpg", "P2/1.jpg", "p1/1.jpeg", Fault.ERASED),
    "the other's folder": ("P1/1.jpg", "P2/1.jpg", "P2/1.jpg", None),
    "the other's longer path": ("1.jpg", "P2/1.jpg", "P2/1.jpg", None),
    "another format": ("P1/1.png", "P2/1.jpg", "1.jpg", None),
    "no suffix": ("P1/1.png", "P2/1.jpg", "1", Fault.SEVERAL),
    "decomposed": (unicodedata.normalize("NFD", "Zoë/ö.jpg"), "P2/ö.jpg", "Zoë/ö.jpg", Fault.ERASED),
    "an end of the other's": ("A/1.jpg", "Nord/A/1.jpg", "Nord/A/1.jpg", None),
    "another name": ("P1/1.jpg", "P2/2.jpg", "2.jpg", None),
}


@pytest.mark.parametrize(("erased", "file", "row", "fault"), ERASED.values(), ids=ERASED)
def test_an_erased_name_is_nobody_elses(erased: str, file: str, row: str, fault: Fault | None) -> None:
    def keyed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    left = Erased.of(erased, keyed)
    names = FileNames([(file, 1)], erased=[left], keyed=keyed)
    match = names.match([row])[row]
    assert match.fault == fault
    assert (match.image == 1) == (fault is None)
    with_its_name = FileNames([(file, 1), (clean(erased), None)]).match([row])[row]
    assert with_its_name.image == match.image  # a hash says as much as the name
    assert erased.rpartition("/")[2] not in repr(left)


@settings(max_examples=200)
@given(data=st.data())
def test_of_an_erased_file_hashes_decide_as_its_name_would(data: st.DataObject) -> None:
    files = data.draw(st.lists(PATHS, min_size=1, max_size=5, unique=True))
    gone = data.draw(st.lists(PATHS, max_size=3))
    rows = data.draw(st.lists(st.one_of(PATHS, st.sampled_from([*files, *gone])), max_size=6))
    here = [(clean(file), place) for place, file in enumerate(files)]
    by_hash = FileNames(here, erased=[Erased.of(name, str.swapcase) for name in gone], keyed=str.swapcase).match(rows)
    by_name = FileNames([*here, *((clean(name), None) for name in gone)]).match(rows)

    def images(found: dict[str, Match]) -> dict[str, int | None]:
        return {row: match.image for row, match in found.items()}

    assert images(by_hash) == images(by_name)


def test_the_longest_end_decides() -> None:
    files = ["A/1.jpg", "Nord/A/1.jpg"]
    assert matched(files, "Klinik/Nord/A/1.jpg") == ["Nord/A/1.jpg"]
    assert matched(files, *files) == files


def test_a_whole_name_decides_where_the_others_have_rows_too() -> None:
    files = ["1.jpg", "A/1.jpg", "Nord/A/1.jpg", "a/1.jpg"]
    assert matched(files, *files) == files
    assert matched(files, *files[:3])[1] is Fault.SEVERAL


def test_two_rows_do_not_get_one_file_by_being_alike() -> None:
    assert matched(["A/1.jpg"], "Nord/A/1.jpg", "Süd/A/1.jpg") == [Fault.TAKEN, Fault.TAKEN]
    assert matched(["A/1.jpg"], "A/1.jpg", "1.jpg") == ["A/1.jpg", Fault.TAKEN]


def test_all_names_of_a_copy_lead_to_its_image() -> None:
    names = FileNames([("P001.jpg", 1), ("Kopie von P001.jpg", 1), ("B/P001.jpg", 1)])
    found = names.match(["P001.jpg", "Kopie von P001.jpg", "B/P001.jpg"])
    assert [(match.image, match.is_exact) for match in found.values()] == [(1, True)] * 3


def test_what_was_near_is_said() -> None:
    names = FileNames([(f"{letter}/1.jpg", n) for n, letter in enumerate("ABCDEFG")])
    sentence = names.match(["1.jpg"])["1.jpg"].sentence()
    assert sentence.startswith("several files may be meant: A/1.jpg, B/1.jpg, C/1.jpg, D/1.jpg, E/1.jpg, and 2 more.")
    assert "near: 0012.jpg" in FileNames([("0012.jpg", 1)]).match(["12"])["12"].sentence()


def test_thousands_of_files_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [f"Patient {number}/Fotos/IMG_1.jpg" for number in range(20_000)]
    names = FileNames([(path, number) for number, path in enumerate(paths)])
    found = names.match([*paths, *(f"Nord/{path}" for path in paths[:9]), "Patient x/Fotos/IMG_1.jpg"])
    assert [found[path].image for path in paths] == list(range(20_000))
    assert {match.fault for match in list(found.values())[20_000:]} == {Fault.TAKEN, Fault.UNKNOWN}
    assert "and 19995 more" in found["Patient x/Fotos/IMG_1.jpg"].sentence()


def test_a_name_that_is_too_long_keeps_whole_folders() -> None:
    name = f"{'x' * 200}/{'y' * 50}/1.jpg"
    assert fitting(name) == f"{'y' * 50}/1.jpg"


MANGLINGS: list[Callable[[str], str]] = [
    str,
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: name.replace("/", "\\"),
    lambda name: f"C:\\Users\\Dr. X\\{name}",
    lambda name: f"s3://clinic-{len(name)}/{name}",
    lambda name: f"./{name}",
    str.upper,
    str.lower,
    quote,
    lambda name: name.replace(" ", "_"),
    lambda name: name.rpartition(".")[0] or name,
    lambda name: name.partition("/")[2] or name,
    lambda name: name.rpartition("/")[2],
]


@settings(max_examples=400)
@given(
    files=st.lists(PATHS, min_size=1, max_size=8, unique=True),
    refusals=st.sets(st.integers(0, 7)),
    changes=st.lists(st.lists(st.sampled_from(MANGLINGS), max_size=3), min_size=8, max_size=8),
    kept=st.sets(st.integers(0, 7)),
)
def test_a_row_is_the_right_files_or_nobodys(
    files: list[str], refusals: set[int], changes: list[list[Callable[[str], str]]], kept: set[int]
) -> None:
    rows: dict[str, set[int]] = {}
    for number, file in enumerate(files):
        row = file
        for change in changes[number]:
            row = change(row)
        if number in kept:
            rows.setdefault(row, set()).add(number)
    names = FileNames((clean(file), None if number in refusals else number) for number, file in enumerate(files))
    for row, match in names.match(rows).items():
        if match.image is not None:
            assert rows[row] == {match.image}, (row, files[match.image])
