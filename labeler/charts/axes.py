"""Scales from values to positions, and axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from labeler.charts.drawing import Drawing

STEPS = (1, 2, 2.5, 5, 10)  # between two ticks, times a power of ten


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high` lie evenly between the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (self.end - self.start) * (value - self.low) / span

    def ticks(self, most: int = 6) -> list[float]:
        """Return round numbers within, at most so many."""
        span = (self.high - self.low) or 1.0
        rough = span / max(most, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * by for by in STEPS if power * by >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [step * n for n in range(first, last + 1)]


@dataclass(frozen=True)
class Frame:
    """The part of a sheet that numbers are drawn in."""

    left: float
    top: float
    right: float
    bottom: float


def counted_beside(sheet: Drawing, frame: Frame, most: int) -> Scale:
    """Draw the vertical axis of numbers of things, from 0 to `most`, and return its scale."""
    y = Scale(0, 1.05 * max(most, 1), frame.bottom, frame.top)
    beside(sheet, frame, y, "", ticks=[tick for tick in y.ticks(4) if tick == round(tick)])
    return y


def spoken(ticks: Sequence[float]) -> list[str]:
    """Return ticks with as many decimals as they need to differ."""
    for decimals in range(4):
        said = [f"{tick:.{decimals}f}" for tick in ticks]
        if all(abs(float(one) - tick) < 1e-9 for one, tick in zip(said, ticks, strict=True)):
            break
    return [one.replace("-", "\N{MINUS SIGN}") for one in said] if ticks else []


def below(sheet: Drawing, frame: Frame, x: Scale, title: str, *, ticks: Sequence[float] | None = None) -> None:
    """Draw the horizontal axis, with grid lines through the frame."""
    places = x.ticks() if ticks is None else ticks
    for tick, said in zip(places, spoken(places), strict=True):
        sheet.line("grid", (x(tick), frame.top), (x(tick), frame.bottom))
        sheet.words("soft", (x(tick), frame.bottom + 15), said, anchor="middle")
    sheet.words("soft", ((frame.left + frame.right) / 2, frame.bottom + 32), title, anchor="middle")


def beside(sheet: Drawing, frame: Frame, y: Scale, title: str, *, ticks: Sequence[float] | None = None) -> None:
    """Draw the vertical axis, with grid lines through the frame."""
    places = y.ticks() if ticks is None else ticks
    for tick, said in zip(places, spoken(places), strict=True):
        sheet.line("grid", (frame.left, y(tick)), (frame.right, y(tick)))
        sheet.words("soft", (frame.left - 6, y(tick) + 4), said, anchor="end")
    if title:
        middle = (frame.top + frame.bottom) / 2
        longest = max((len(said) for said in spoken(places)), default=0)
        at = max(frame.left - max(34, 16 + 6.2 * longest), 8)  # beside the numbers, and on the sheet
        sheet.words("soft", (at, middle), title, anchor="middle", turned=-90)
