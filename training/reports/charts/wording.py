"""How the report's charts write estimates, counts and lists. [core]"""

from collections.abc import Sequence

from labeler.charts.chart import Cell
from training.statistics.intervals import Estimate

N = "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
ESTIMATE = ("value", "low", "high", "n", "reason")
NO_ESTIMATE: tuple[Cell, ...] = (None,) * len(ESTIMATE)


def estimate_cells(estimate: Estimate) -> tuple[Cell, ...]:
    """Return the cells of the columns ESTIMATE."""
    return estimate.value, estimate.low, estimate.high, estimate.n, estimate.reason


def spoken_interval(estimate: Estimate) -> str:
    """Return "0.41 (0.36 to 0.47)"."""
    if estimate.low is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def images(count: int, kind: str = "golden image") -> str:
    return f"{count}\N{NO-BREAK SPACE}{kind}{'' if count == 1 else 's'}"


def span(counts: Sequence[int], kind: str = "golden image") -> str:
    """Return "28 golden images", or "20 to 28 golden images"."""
    low, high = min(counts), max(counts)
    return images(high, kind) if low == high else f"{low} to {images(high, kind)}"


def enumerate_words(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))
