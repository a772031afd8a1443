"""How many images have which value of a measure, and which of them limits drop. [core]"""

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import Chart
from labeler.charts.drawing import Drawing

WIDTH, HEIGHT = 270.0, 140.0
FRAME = Frame(40, 6, WIDTH - 16, HEIGHT - 24)  # prescreen.css puts the sliders under it
GAP = 1.0  # units on either side of a bar


@dataclass(frozen=True)
class Bin:
    """How many images have a value from `low` on, up to `high`. The first and the last bin hold what is beyond, too."""

    low: float
    high: float
    images: int

    @property
    def is_whole(self) -> bool:
        """Whether it holds one whole number, its `low`."""
        return self.high - self.low == 1

    @property
    def value(self) -> float:
        """The value that stands for all in it."""
        return self.low if self.is_whole else (self.low + self.high) / 2

    @property
    def in_words(self) -> str:
        values = f"{self.low:g}" if self.is_whole else f"{self.low:.4g} to {self.high:.4g}"
        return f"{values}: {self.images:,} image{'' if self.images == 1 else 's'}"

    def is_outside(self, limits: tuple[float | None, float | None]) -> bool:
        smallest, largest = limits
        return (smallest is not None and self.value < smallest) or (largest is not None and self.value > largest)


def of_measure(name: str, title: str, bins: Sequence[Bin], limits: tuple[float | None, float | None]) -> Chart:
    """Return the histogram. The bars are its only boxes, one for each bin in their order: a script recolours them."""
    sheet = Drawing(WIDTH, HEIGHT)
    y = axes.counted_beside(sheet, FRAME, max(each.images for each in bins))
    x = Scale(bins[0].low, bins[-1].high, FRAME.left, FRAME.right)
    for each in bins:
        left, top = x(each.low) + GAP, y(each.images)
        size = (x(each.high) - GAP - left, FRAME.bottom - top)
        sheet.box("dropped" if each.is_outside(limits) else "kept", (left, top), size, tip=each.in_words)
    ticks = [each.low for each in bins] if bins[0].is_whole else x.ticks(5)
    shift = 0.5 if bins[0].is_whole else 0.0  # a whole number stands under the middle of its bar
    for tick, said in zip(ticks, axes.spoken(ticks), strict=True):
        sheet.words("soft", (x(tick + shift), FRAME.bottom + 16), said, anchor="middle")
    said = "Outlined bars are outside the limits. The table below has the same numbers."
    return Chart(f"histogram-{name}", f"Histogram of {title.lower()}").saying(said).drawn(sheet)
