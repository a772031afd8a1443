"""A row's name is the right file's, or none's: whatever archives, file systems and spreadsheets made of it."""

import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.intake.file_names import Fault, FileNames, clean, fitting


def matched(files: Sequence[str], *rows: str, refused: Sequence[str] = ()) -> list[str | Fault | None]:
    """Return the name of the file that each row is matched with, or why none is."""
    names = FileNames(
        [*((clean(name), place) for place, name in enumerate(files)), *((name, None) for name in refused)]
    )
    found = names.match(rows)
    return [files[match.image] if (match := found[row]).image is not None else match.fault for row in rows]


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
}


@pytest.mark.parametrize(("file", "row"), MANGLED.values(), ids=MANGLED)
def test_a_mangled_name_is_its_files(file: str, row: str) -> None:
    assert matched([file, "B/other.jpg"], row) == [file]


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


def test_a_name_that_is_too_long_keeps_whole_folders() -> None:
    name = f"{'x' * 200}/{'y' * 50}/1.jpg"
    assert fitting(name) == f"{'y' * 50}/1.jpg"


# Folders and names that differ by no more than what programs change, so that mangled ones meet each other.
PARTS = st.sampled_from(["A", "a", "Nord", "nord", "B b", "B_b", "Mü", "1"])
BASES = st.sampled_from(["IMG_1", "img_1", "IMG 1", "ö", "Ö"])
SUFFIXES = st.sampled_from([".jpg", ".JPG", ".jpeg", ".png", ""])
PATHS = st.builds(
    lambda folders, base, suffix: "/".join([*folders, base + suffix]), st.lists(PARTS, max_size=3), BASES, SUFFIXES
)

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
