"""What it costs to open photographs in a process of their own: a score with it, and one without.

    python -m benchmarks.scoring.decoding

Both take turns, on a photograph of the demo in 12 megapixels. A score is decoding, faces, patches and embeddings.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from scoring.photograph import decoding
from scoring.photograph.decoding import Pixels
from scoring.regressor import pipeline, recipes

PHOTOGRAPH = Path("var/faces/grace_hopper.jpg")
TWELVE_MEGAPIXELS = (3000, 4000)
ROUNDS = 25


def main() -> None:
    if not PHOTOGRAPH.exists():
        sys.exit(f"There is no {PHOTOGRAPH}: `make demo` fetches it.")
    file = io.BytesIO()
    with Image.open(PHOTOGRAPH) as picture:
        picture.convert("RGB").resize(TWELVE_MEGAPIXELS).save(file, "JPEG", quality=92)
    ways = {"in a process of its own": decoding.decode, "in this one": decoding.decode_here}
    for named, finish in (("opening", _nothing), ("a score", _score)):
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(ROUNDS + 1):
            for way, decode in ways.items():
                taken = _seconds(file.getvalue(), decode, finish)
                if number:  # the first loads models and starts the process
                    seconds[way].append(taken)
        own, here = (statistics.median(times) for times in seconds.values())
        ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
        print(
            f"{named}: {1000 * own:.0f} ms in a process of its own, {1000 * here:.0f} ms in this one, "
            f"ratio {statistics.median(ratios):.3f}",
            flush=True,
        )


def _seconds(data: bytes, decode: Callable[[bytes], Pixels], finish: Callable[[Pixels], None]) -> float:
    begun = time.perf_counter()
    finish(decode(data))
    return time.perf_counter() - begun


def _nothing(_: Pixels) -> None:
    pass


def _score(pixels: Pixels) -> None:
    recipe = recipes.ms2019("resnet50")
    layout, _ = pipeline.look(pixels, recipe)
    pipeline.embed([pipeline.cut(pixels, layout, pipeline.keys(layout, {}))], recipe)


if __name__ == "__main__":
    main()
