"""Tables as spreadsheets and statistics programs write them, row by row as text: CSV in several hands, and .xlsx."""

import codecs
import csv
import io
import re
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

MAX_BYTES = 200 * 2**20  # a million rows of twenty columns
MAX_UNPACKED = 600 * 2**20  # bytes of a workbook's parts; they are read as they come
MAX_STRINGS = 150 * 2**20  # bytes of its list of texts, which is held in memory
MAX_COLUMNS = 500
LONGEST_LINE = 2**20  # characters
SEARCHED = 30  # lines in which the line of headings may stand, below a title
DELIMITERS = ",;\t|"
ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"}
SAVE_ANEW = "In Excel, save it as .xlsx or as CSV UTF-8."
# What openpyxl raises on damage.
DAMAGE = (InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, OSError, ValueError, LookupError, TypeError)
# What other programs' files begin with.
FOREIGN = {b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)", b"%PDF": "a PDF", b"{\\rtf": "a text document"}

Line = tuple[int, Sequence[str]]  # its number, from 1, and its cells


class TableError(ValueError):
    """Why a table can't be read, as a sentence for people that says where and what helps."""


@dataclass(frozen=True)
class Table:
    """A table in a file. Going through it reads the file anew, a row at a time."""

    path: Path
    columns: tuple[str, ...]  # as the headings name them; "" has no value anywhere
    heading_line: int
    sheet: str = ""  # of a workbook
    other_sheets: tuple[str, ...] = ()  # of it that are not read
    delimiter: str = ""

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each row's line and its cells, one for each column. Raises TableError."""
        lines = _workbook_lines(self.path, self.sheet) if self.sheet else _text_lines(self.path, self.delimiter)
        for number, cells in lines:
            if number > self.heading_line and any(cells):
                yield number, self._fitted(number, cells)

    def _fitted(self, number: int, cells: Sequence[str]) -> list[str]:
        named = list(cells[: len(self.columns)]) + [""] * (len(self.columns) - len(cells))
        if ERRORS.isdisjoint(cells) and len(cells) <= len(self.columns) and "" not in self.columns:
            return named
        for place, cell in enumerate(cells, start=1):
            if cell in ERRORS:
                raise TableError(f"Line {number}, column {get_column_letter(place)} holds the error {cell}. Mend it.")
            if cell and (place > len(self.columns) or not self.columns[place - 1]):
                raise TableError(
                    f"Line {number} has {shortened(cell)} in column {get_column_letter(place)}, which has no name in "
                    f"line {self.heading_line}. Name the column, or put quotes around a cell with a {self._between}."
                )
        return named

    @property
    def _between(self) -> str:
        return {",": "comma", ";": "semicolon", "\t": "tab"}.get(self.delimiter, "separator")

    def where(self, column: str) -> str:
        """Return a column as people find it: its letter and its name."""
        return f"{get_column_letter(self.columns.index(column) + 1)} ({column})"


def open_table(path: Path, *, headings: Collection[str]) -> Table:
    """Return a file's table. Its line of headings is the first that has one of `headings`, as `plain` writes them.

    Where no line has one it is the first with two cells. Raises TableError.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TableError(f"This table is larger than {MAX_BYTES // 2**20} MB.")
    with path.open("rb") as file:
        start = file.read(4096)
    foreign = next((what for beginning, what in FOREIGN.items() if start.startswith(beginning)), None)
    if foreign:
        raise TableError(f"This is {foreign}. {SAVE_ANEW}")
    if not start.strip():
        raise TableError("This table is empty.")
    if start.startswith(b"PK"):
        return _first_sheet(path, headings)
    return _best_text(path, headings)


def csv_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a CSV in any encoding that `open_table` reads; of a workbook its first sheet as CSV.

    Raises TableError.
    """
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    if not is_zip:
        yield from _texts(path)
        return
    for _, cells in _workbook_lines(path, _first_sheet(path, frozenset()).sheet):
        line = io.StringIO()
        csv.writer(line).writerow(cells)
        yield line.getvalue()


def delimiter_of(line: str) -> str:
    """Return the delimiter that a spreadsheet's first line states, or else what it has most of."""
    return said_delimiter(line) or max(DELIMITERS, key=line.count)


def said_delimiter(line: str) -> str:
    """Return the delimiter that a first line states for Excel, as in sep=; and no more; "" where it does not."""
    said = re.fullmatch(r'"?sep=(.)"?[,;\t]*', line.strip("\r\n"), re.IGNORECASE)
    return said[1] if said else ""


def plain(heading: str) -> str:
    """Return a heading without case, spaces and signs: File name, file_name and FileName are one."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(sign for sign in text if sign.isalnum())


def shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _best_text(path: Path, headings: Collection[str]) -> Table:
    """Read the first lines with each delimiter, and take the one that makes the most of them."""
    said = said_delimiter(next(_texts(path), ""))
    best: tuple[tuple[bool, int], str, list[Line]] | None = None
    for delimiter in said or DELIMITERS:
        lines = list(islice(_text_lines(path, delimiter), SEARCHED))
        filled = Counter(len([cell for cell in cells if cell]) for _, cells in lines)
        usual, times = max(filled.items(), key=lambda item: (item[0] > 1) * item[1] * item[0], default=(0, 0))
        merit = (_heading(lines, headings) is not None and usual > 1, usual * times)
        if best is None or merit > best[0]:
            best = merit, delimiter, lines
    if best is None or not any(any(cells) for _, cells in best[2]):
        raise TableError("This table is empty.")
    return _table(path, best[2], headings, delimiter=best[1])


def _heading(lines: Sequence[Line], headings: Collection[str]) -> Line | None:
    return next((line for line in lines if any(plain(cell) in headings for cell in line[1])), None)


def _table(path: Path, lines: Sequence[Line], headings: Collection[str], **about: Any) -> Table:
    filled = [line for line in lines if any(line[1])]
    several = (line for line in filled if len([cell for cell in line[1] if cell]) > 1)
    number, cells = _heading(lines, headings) or next(several, filled[0])
    columns = list(cells)
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise TableError(f"This table has {len(columns):,} columns; {MAX_COLUMNS} are allowed. Take some out.")
    twice = next((name for name, times in Counter(filter(None, columns)).items() if times > 1), None)
    if twice:
        letters = " and ".join(get_column_letter(place) for place, one in enumerate(columns, 1) if one == twice)
        raise TableError(f"Line {number} calls columns {letters} {twice}. Give each its own name.")
    return Table(path, tuple(columns), number, **about)


def _text_lines(path: Path, delimiter: str) -> Iterator[Line]:
    """Yield the lines of a CSV. Raises TableError."""
    reader = csv.reader(_texts(path), delimiter=delimiter)
    try:
        for cells in reader:
            is_instruction = reader.line_num == 1 and cells and cells[0].lower().startswith("sep=")
            if not is_instruction:
                yield reader.line_num, [_trimmed(cell) for cell in cells]
    except csv.Error as error:
        raise TableError(
            f"Line {reader.line_num} can't be read as CSV ({error}). Look for a quotation mark without its pair. "
            f"{SAVE_ANEW}"
        ) from error


def _texts(path: Path) -> Iterator[str]:
    """Yield the file's lines of text. Raises TableError."""
    number = 0
    encoding = _encoding(path)
    try:
        with path.open("rb") as file, io.TextIOWrapper(file, encoding, newline="") as text:
            while line := text.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise TableError(f"Line {number} has more than {LONGEST_LINE:,} characters. {SAVE_ANEW}")
                if "\0" in line:  # PostgreSQL stores no such character
                    raise TableError(f"Line {number} holds bytes that are no text. {SAVE_ANEW}")
                yield line
    except UnicodeError as error:
        raise TableError(f"{_first_broken(path, encoding)} {SAVE_ANEW}") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    nulls = [start[side::2].count(0) for side in (0, 1)]  # in UTF-16 every second byte of plain letters is zero
    for side, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if nulls[side] > len(start) // 4 and not nulls[1 - side]:
            return name
    return "utf-8-sig"


def _first_broken(path: Path, encoding: str) -> str:
    """Say which line and column hold the first bytes that are no text."""
    if encoding != "utf-8-sig":
        return "This table is not the UTF-16 text that it seems to be."
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                before = line[: error.start].decode()
                column = max(before.count(delimiter) for delimiter in DELIMITERS) + 1
                return f"Line {number}, column {get_column_letter(column)} is not UTF-8 text, after {before[-20:]!r}."
    return "This table is not UTF-8 text."


def _first_sheet(path: Path, headings: Collection[str]) -> Table:
    """Return the table of a workbook's first sheet that has a line of headings, else of its first that has anything."""
    _refuse_bombs(path)
    found: dict[str, list[Line]] = {}
    with _book(path) as book:
        for sheet in book.worksheets:
            if sheet.sheet_state == "visible":
                found[sheet.title] = list(islice(_sheet_lines(sheet), SEARCHED))
    filled = {title: lines for title, lines in found.items() if any(any(cells) for _, cells in lines)}
    if not filled:
        raise TableError("This workbook has no sheet with a table.")
    chosen = next((title for title, lines in filled.items() if _heading(lines, headings)), next(iter(filled)))
    others = tuple(title for title in filled if title != chosen)
    return _table(path, filled[chosen], headings, sheet=chosen, other_sheets=others)


def _refuse_bombs(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as parts:
            sizes: Mapping[str, int] = {info.filename: info.file_size for info in parts.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise TableError(f"This workbook is damaged. {SAVE_ANEW}") from error
    if "xl/workbook.xml" not in sizes:
        raise TableError(f"This is a zip, but no Excel workbook (.xlsx). {SAVE_ANEW}")
    if sum(sizes.values()) > MAX_UNPACKED or sizes.get("xl/sharedStrings.xml", 0) > MAX_STRINGS:
        raise TableError("This workbook is too large. Save the sheet as CSV UTF-8.")


@contextmanager
def _book(path: Path) -> Iterator[Any]:
    """Open a workbook. Raises TableError, also for damage that is met within the block."""
    try:
        with path.open("rb") as file:
            with warnings.catch_warnings():  # of parts that we do not read, such as lists of allowed values
                warnings.simplefilter("ignore")
                book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            with closing(book):
                yield book
    except TableError:
        raise
    except DAMAGE as error:
        raise TableError(f"This workbook can't be read: it is damaged or encrypted. {SAVE_ANEW}") from error


def _workbook_lines(path: Path, title: str) -> Iterator[Line]:
    with _book(path) as book:
        yield from _sheet_lines(book[title])


def _sheet_lines(sheet: Any) -> Iterator[Line]:
    sheet.reset_dimensions()  # some programs write wrong ones
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = [_trimmed(_text(value)) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        yield number, cells


def _trimmed(cell: str) -> str:
    """Return a cell in composed Unicode without space around: otherwise one value of macOS and of Excel are two."""
    return unicodedata.normalize("NFC", cell.strip())


def _text(value: object) -> str:
    """Return a workbook's value as text: dates as ISO 8601, whole numbers without a point."""
    if isinstance(value, datetime):
        value = value.date() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case date():
            return value.isoformat()
        case float():
            return f"{value:.15g}"
    return str(value).replace("\0", "")
