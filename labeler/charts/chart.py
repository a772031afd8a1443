"""A chart: a sentence, two pictures, and a table."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace

from labeler.charts.drawing import Drawing

Cell = str | int | float | None
ROWS_ON_A_PAGE = 400
WIDE, NARROW, HALF = 860.0, 320.0, 420.0  # units: a page's width, a phone's, and half a page's


@dataclass(frozen=True)
class Table:
    """The numbers that a chart is drawn from."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_csv(self, *, defuse: Callable[[str], str] = str) -> str:
        """Return a comma-separated table; numbers in full, as the report's JSON has them.

        defuse: what becomes of a cell of text, which a spreadsheet might run.
        """
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows([defuse(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows)
        return text.getvalue()

    @property
    def headings(self) -> list[str]:
        return [column.replace("_", " ") for column in self.columns]

    @property
    def first_rows(self) -> list[list[str]]:
        """What a page shows of it; 300 readers have 69,000 rows of drift."""
        return [[_shown(cell) for cell in row] for row in self.rows[:ROWS_ON_A_PAGE]]

    @property
    def is_cut(self) -> bool:
        return len(self.rows) > ROWS_ON_A_PAGE


EMPTY = Table((), ())


@dataclass(frozen=True)
class Chart:
    """One of a page's charts. Without a picture, `sentence` says why there is none."""

    name: str  # in addresses
    title: str
    definition: str = ""  # an anchor of the page of definitions
    table: Table = EMPTY
    sentence: str = ""
    rests_on: str = ""  # n in words
    wide: Drawing | None = None
    narrow: Drawing | None = None  # for phones; None where the wide one is as good there

    def saying(self, sentence: str, rests_on: str = "") -> "Chart":
        return replace(self, sentence=sentence, rests_on=rests_on)

    def drawn(self, sheet: Drawing) -> "Chart":
        """Return the chart with one picture that every viewer sees."""
        return replace(self, wide=sheet)

    def drawn_twice(self, draw: Callable[[float], Drawing]) -> "Chart":
        """Return the chart with a picture for pages and one for phones, drawn for their widths."""
        return replace(self, wide=draw(WIDE), narrow=draw(NARROW))

    @property
    def is_half(self) -> bool:
        """Whether two of them fit beside each other."""
        return self.wide is not None and self.wide.width <= HALF

    @property
    def picture(self) -> str:
        """The SVG, or nothing where there is none."""
        return self._svg(self.wide, self.name)

    @property
    def picture_for_phones(self) -> str:
        return self._svg(self.narrow, f"{self.name}-narrow")

    def _svg(self, sheet: Drawing | None, name: str) -> str:
        return sheet.svg(name=name, title=self.title, description=f"{self.sentence} {self.rests_on}") if sheet else ""


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)
