"""No pattern that meets a stranger's text takes more than its share of time for a longer one (ReDoS).

Time is not asserted; what is: twice the text takes no more than about twice the steps, as a ratio within one run.
"""

import re
import time
from collections.abc import Callable

import pytest

from scoring.photograph.decoder.jpegs import MARKER
from scoring.platform import request_ids
from scoring.service import fetching, idempotency
from scoring.service.api.legacy import ASKED

SHORT, LONG = 20_000, 160_000  # characters; a line of a request has 4,094
FACTOR = LONG / SHORT

PATTERNS: dict[str, Callable[[str], object]] = {
    "an address": fetching.NAME.fullmatch,
    "an address' signs": fetching.VISIBLE.fullmatch,
    "a kind of file": fetching.IMAGES.fullmatch,
    "the legacy address": ASKED.fullmatch,
    "a request's number": request_ids.WELL_FORMED.fullmatch,
    "an idempotency key": re.compile(idempotency.KEY_PATTERN).fullmatch,
    "a JPEG's markers": lambda text: MARKER.search(text.encode("latin-1")),
}
# Long runs of what a pattern takes, ended by what it does not take: where it would begin to try all ways.
TEXTS: dict[str, Callable[[int], str]] = {
    "letters": lambda size: "a" * size + "!\n",
    "dots": lambda size: "a" + ".-" * (size // 2) + "\n",
    "slashes": lambda size: "ImageURL=http:" + "/" * size + "\n",
    "slashes alone": lambda size: "ImageURL=http:" + "/" * size,
    "an image": lambda size: "image/" + "a" * size + "\n",
    "brackets": lambda size: "[" + ":" * size + "\n",
    "ff": lambda size: "\xff" * size,
}


def seconds(pattern: Callable[[str], object], text: str) -> float:
    """Return the least time of several, which is the one that nothing else disturbed."""
    taken = []
    for _ in range(5):
        begun = time.process_time()
        pattern(text)
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_longer_text_costs_its_share(pattern: str, text: str) -> None:
    short, long = (seconds(PATTERNS[pattern], TEXTS[text](size)) for size in (SHORT, LONG))
    linear = FACTOR * max(short, 1e-4)  # below that a clock tells nothing
    assert long < 3 * linear, f"{long / max(short, 1e-9):.0f} times the steps for {FACTOR:.0f} times the text"
