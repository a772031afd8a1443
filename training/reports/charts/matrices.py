"""Shaded tables: agreement of each two readers, and confusion matrices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from labeler.charts.chart import HALF, NARROW, WIDE, Chart, Table
from labeler.charts.drawing import DARK_FROM, SHADES, Drawing
from training.reports.charts.wording import ESTIMATE, N, estimate_cells, images, span
from training.reports.contents import Level, ReaderNumbers, RunReport, StudyReport
from training.statistics.panels import PairKappa

MOST_READERS = 40  # in a map: beyond, a cell is too small to be told from its neighbour
LARGEST_CELL = 46.0
ROOMY = 40.0  # units: a cell with a count above its rate, under a name that stands upright
LETTER = 6.4  # units: how wide one is, at 11
SMALLEST_WITH_WORDS = 21.0  # units: a cell with two digits in it


def agreement(report: StudyReport) -> Chart:
    """Pairwise kappa: below the diagonal how far two readers agree, above it on how many images."""
    codes = [reader.code for reader in report.readers]
    pairs = {pair.readers: pair for pair in report.agreement.pairwise_kappa}
    known = [pair for pair in pairs.values() if pair.value is not None]
    table = Table(
        ("reader", "other", *ESTIMATE), tuple((*names, *estimate_cells(pair)) for names, pair in pairs.items())
    )
    chart = Chart("agreement", "Agreement of each two readers", "kappa", table)
    if not known:
        reason = next((pair.reason for pair in pairs.values()), "Agreement needs at least two readers.")
        return chart.saying(f"No two readers can be compared yet. {reason}")
    counts = sorted(pair.n for pair in known)
    rests_on = f"{len(known)} of {len(pairs)} pairs, on {N}{span(counts)} each."
    if len(codes) > MOST_READERS:
        sentence = f"{_in_words(known)} With more than {MOST_READERS} readers the pairs are in the table only."
        return chart.saying(sentence, rests_on)
    chart = chart.saying(_in_words(known), rests_on)
    return chart.drawn_twice(lambda width: _draw_agreement(codes, pairs, width))


def _in_words(known: Sequence[PairKappa]) -> str:
    ranked = sorted(known, key=lambda pair: pair.known)
    middle = ranked[len(ranked) // 2].value
    most, least = ranked[-1], ranked[0]
    if len(ranked) == 1:
        return f"{' and '.join(most.readers)} agree with a weighted kappa of {most.value:.2f}."
    return (
        f"{' and '.join(most.readers)} agree most ({most.value:.2f}), {' and '.join(least.readers)} least "
        f"({least.value:.2f}); half of the pairs are at {middle:.2f} or above. A fuller blue is more agreement."
    )


def _draw_agreement(codes: Sequence[str], pairs: Mapping[tuple[str, str], PairKappa], width: float) -> Drawing:
    left = 12 + 7.2 * max(len(code) for code in codes)
    cell = min(LARGEST_CELL, (width - left - 4) / len(codes))
    sheet = Drawing(width if width <= NARROW else left + cell * len(codes) + 4, 26 + cell * len(codes) + 4)
    size = min(12.0, 0.42 * cell)
    for place, code in enumerate(codes):
        middle = cell * (place + 0.5)
        if cell >= SMALLEST_WITH_WORDS or place % 5 == 0:
            sheet.words("soft", (left + middle, 18), code, anchor="middle", size=min(11, 0.4 * cell))
        sheet.words("label", (left - 6, 26 + middle + 4), code, anchor="end", size=min(12.0, 0.8 * cell))
        sheet.box("frame", (left + cell * place, 26 + cell * place), (cell, cell))
    for one, other in combinations(range(len(codes)), 2):
        pair = pairs.get((codes[one], codes[other]))
        if pair is not None:
            _draw_pair(sheet, pair, (left + cell * one, 26 + cell * other), cell, size)
            if cell >= SMALLEST_WITH_WORDS:
                at = (left + cell * (other + 0.5), 26 + cell * (one + 0.5) + 4)
                sheet.words("soft", at, str(pair.n), anchor="middle", size=0.9 * size)
    return sheet


def _draw_pair(sheet: Drawing, pair: PairKappa, corner: tuple[float, float], cell: float, size: float) -> None:
    names, value = " and ".join(pair.readers), pair.value
    if value is None:
        at = (corner[0] + cell / 2, corner[1] + cell / 2 + size / 3)
        sheet.words("soft", at, "none", anchor="middle", size=0.8 * size)
        return
    step = _step(value)
    sheet.box(f"shade-{step}", corner, (cell - 1, cell - 1), tip=f"{names}: kappa {value:.2f} on {pair.n} images")
    if cell >= SMALLEST_WITH_WORDS:
        at = (corner[0] + cell / 2, corner[1] + cell / 2 + size / 3)
        said = f"{value:.2f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}")
        sheet.words(_ink(step), at, said, anchor="middle", size=size)


def machine_confusion(run: RunReport | None) -> Chart:
    """The consensus against the machine's score, both cut half-way between two grades."""
    chart = Chart("confusion", "What the machine calls what", "confusion")
    if not run:
        return chart.saying(NO_MACHINE)
    levels = [level.name for level in run.machine.levels]
    counts = run.machine.confusion
    chart = replace(chart, table=_confusion_table([("machine", counts)], levels))
    chart = chart.saying(_confusion_in_words(counts, levels, "the machine", "the consensus calls"), _of_a_row(counts))
    return chart.drawn(_draw_confusion(counts, levels, "columns: the machine's score; rows: the consensus"))


NO_MACHINE = "No regressor has been fitted yet."


def reader_confusion(reader: ReaderNumbers, scale: Sequence[Level]) -> Chart:
    """The mean of the others against one reader's grades."""
    code, counts = reader.code, reader.confusion
    levels = [level.name for level in scale]
    chart = Chart(
        f"confusion-{code}", f"What {code} calls what", "confusion", _confusion_table([(code, counts)], levels)
    )
    if not sum(map(sum, counts)):
        return chart.saying(f"{code} has graded no golden image that another reader graded.")
    chart = chart.saying(_confusion_in_words(counts, levels, code, "the others call"), _of_a_row(counts))
    return chart.drawn(_draw_confusion(counts, levels, f"columns: {code}'s grade; rows: the mean of the others"))


def _of_a_row(counts: Sequence[Sequence[int]]) -> str:
    return f"{N}{images(sum(map(sum, counts)))}; percentages are of a row."


def all_confusions(report: StudyReport) -> Chart:
    """A small matrix for every reader."""
    readers = [reader for reader in report.readers if sum(map(sum, reader.confusion))]
    levels = [level.name for level in report.levels]
    table = _confusion_table([(reader.code, reader.confusion) for reader in readers], levels)
    chart = Chart("confusions", "What each reader calls what", "confusion", table)
    if not readers:
        return chart.saying("No golden image has two readers' grades yet.")
    shown = readers[:MOST_READERS]
    counts = sorted(sum(map(sum, reader.confusion)) for reader in readers)
    said = "Rows are what the others say, columns what the reader says: off the diagonal they differ."
    more = f" {len(readers) - len(shown)} more readers are in the table." if len(readers) > len(shown) else ""
    rests_on = f"{N}{span(counts)} each; shades are shares of a row, numbers count."
    return chart.saying(said + more, rests_on).drawn_twice(lambda width: _draw_confusions(shown, levels, width))


def _confusion_table(matrices: Sequence[tuple[str, Sequence[Sequence[int]]]], levels: Sequence[str]) -> Table:
    rows = [
        (who, said, called, count, count / sum(counts) if sum(counts) else None)
        for who, matrix in matrices
        for said, counts in zip(levels, matrix, strict=True)
        for called, count in zip(levels, counts, strict=True)
    ]
    return Table(("who", "consensus", "called", "count", "share_of_row"), tuple(rows))


def _confusion_in_words(counts: Sequence[Sequence[int]], levels: Sequence[str], who: str, others: str) -> str:
    total = sum(map(sum, counts))
    same = sum(row[place] for place, row in enumerate(counts))
    near = sum(count for place, row in enumerate(counts) for other, count in enumerate(row) if abs(place - other) <= 1)
    never = [
        level for place, level in enumerate(levels) if sum(counts[place]) and not any(row[place] for row in counts)
    ]
    said = (
        f"Of {total} images {who} calls {same} what {others} them ({round(100 * same / total)} %), "
        f"{round(100 * near / total)} % at most one grade off."
    )
    return f"{said} It never says {', '.join(never)}." if never else said


def _draw_confusion(counts: Sequence[Sequence[int]], levels: Sequence[str], sides: str) -> Drawing:
    left = 92.0
    cell = (HALF - left - 44) / len(levels)
    top = 52.0 if cell >= ROOMY else 84.0
    right, bottom = left + cell * len(levels), top + cell * len(levels)
    sheet = Drawing(HALF, bottom + 30)
    for place, (level, row) in enumerate(zip(levels, counts, strict=True)):
        middle = cell * (place + 0.5)
        _head_column(sheet, level, (left + middle, top - 8), cell)
        lines = _lines(level, left - 10) if cell >= ROOMY else [_on_one_line(level, left - 10)]
        for line, said in enumerate(lines):
            down = top + middle + 4 + 13 * (line - (len(lines) - 1) / 2)
            sheet.words("soft", (left - 8, down), said, anchor="end")
        sheet.words("soft", (right + 10, top + middle + 4), str(sum(row)))
        for other, count in enumerate(row):
            _draw_count(sheet, (left + cell * other, top + cell * place), cell, count, sum(row))
        sheet.box("agree", (left + cell * place + 1, top + cell * place + 1), (cell - 3, cell - 3))
    sheet.words("soft", (right + 10, top - 8), "n")
    sheet.words("soft", ((left + right) / 2, bottom + 20), sides, anchor="middle")
    return sheet


def _head_column(sheet: Drawing, level: str, at: tuple[float, float], cell: float) -> None:
    """Write a grade's name over its column, its words under each other; slanting where columns are narrow."""
    if cell < ROOMY:
        sheet.words("soft", at, _on_one_line(level, 84), turned=-55)
        return
    lines = _lines(level, cell)
    for line, said in enumerate(lines):
        sheet.words("soft", (at[0], at[1] - 13 * (len(lines) - 1 - line)), said, anchor="middle")


def _lines(name: str, room: float) -> list[str]:
    """Return the words of a grade's name, cut to the room there is; its whole name is in the table."""
    return [_on_one_line(word, room) for word in name.split()][:3]


def _on_one_line(words: str, room: float) -> str:
    fits = int(room / LETTER)
    return words if len(words) <= fits else f"{words[: fits - 1]}…"


def _draw_count(sheet: Drawing, corner: tuple[float, float], cell: float, count: int, total: int) -> None:
    share = count / total if total else 0.0
    step = _step(share)
    sheet.box(f"shade-{step}" if count else "frame", corner, (cell - 1, cell - 1), tip=f"{count} of {total}")
    if not count:
        return
    x, y = corner[0] + cell / 2, corner[1] + cell / 2
    if cell < ROOMY:
        sheet.words(_ink(step), (x, y + 4), str(count), anchor="middle", size=11)
        return
    sheet.words(_ink(step), (x, y), str(count), anchor="middle", size=13)
    sheet.words(_ink(step), (x, y + 15), f"{round(100 * share)} %", anchor="middle", size=10)


def _draw_confusions(readers: Sequence[ReaderNumbers], levels: Sequence[str], width: float) -> Drawing:
    columns = max(1, min(len(readers), 3 if width < WIDE else 6))
    gap = 14.0
    side = min((width - gap * (columns - 1)) / columns, 150.0)
    cell = side / len(levels)
    down = side + 30
    rows = -(-len(readers) // columns)
    sheet = Drawing(width, down * rows)
    for place, reader in enumerate(readers):
        left, top = (side + gap) * (place % columns), down * (place // columns) + 20
        sheet.words("title", (left, top - 6), reader.code)
        for row, counts in enumerate(reader.confusion):
            for column, count in enumerate(counts):
                step = _step(count / sum(counts) if sum(counts) else 0.0)
                corner = (left + cell * column, top + cell * row)
                tip = f"{levels[row]} called {levels[column]}: {count} of {sum(counts)}"
                sheet.box(f"shade-{step}" if count else "frame", corner, (cell - 1, cell - 1), tip=tip)
                if count and cell >= 16:
                    at = (corner[0] + cell / 2 - 0.5, corner[1] + cell / 2 + 3)
                    sheet.words(_ink(step), at, str(count), anchor="middle", size=min(10.0, 0.46 * cell))
            sheet.box("agree", (left + cell * row, top + cell * row), (cell - 1, cell - 1))
    return sheet


def _step(share: float) -> int:
    return min(max(int(share * SHADES), 0), SHADES - 1)


def _ink(step: int) -> str:
    return "on-dark" if step >= DARK_FROM else "on-pale"
