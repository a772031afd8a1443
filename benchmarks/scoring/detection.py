"""How fast faces are found on a small copy, and whether the patches lie where the full size puts them.

    python -m benchmarks.scoring.detection [FOLDER ...]

"Full" is the published way: dlib's detector, one upsampling, every pixel. It looks at all photographs of the folders;
without any named, at the public-domain photographs and the made selfies of the demo (`make demo` leaves both in var/).
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scoring.photograph import faces, patches
from scoring.photograph.decoding import Pixels, decode
from scoring.photograph.patches import Box

FOLDERS = (Path("var/faces"), Path("var/demo/selfies"))
TWELVE_MEGAPIXELS = 3000 * 4000
ENLARGED = 12  # photographs that are looked at in 12 megapixels: the full size takes seconds for each
ROUNDS = 3


@dataclass(frozen=True)
class Compared:
    """One photograph: faces found on the full size and on copies, and how far the patches are apart."""

    name: str
    full: int
    small: int
    difference: float | None  # largest difference of a patch's side, in per cent of the face's height


def main() -> None:
    cv2.setNumThreads(1)
    folders = [Path(name) for name in sys.argv[1:]] or FOLDERS
    paths = [path for folder in folders for path in sorted(folder.glob("*.[jp][pn]g"))]
    if not paths:
        sys.exit(f"There are no photographs in {', '.join(map(str, folders))}.")
    _table("At their own size", [_compare(path.name, decode(path.read_bytes())) for path in paths])
    large = paths[:: max(len(paths) // ENLARGED, 1)][:ENLARGED]
    _table("Enlarged to 12 megapixels", [_compare(path.name, _enlarged(path)) for path in large])
    _times([_enlarged(path) for path in large[-ROUNDS:]])


def _enlarged(path: Path) -> Pixels:
    """Return 12 megapixels."""
    pixels = decode(path.read_bytes())
    scale = (TWELVE_MEGAPIXELS / (pixels.shape[0] * pixels.shape[1])) ** 0.5
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _compare(name: str, pixels: Pixels) -> Compared:
    full, small = full_size(pixels), copies(pixels)
    return Compared(
        name, len(full), len(small), _apart(pixels, full[0], small[0]) if len(full) == len(small) == 1 else None
    )


def full_size(pixels: Pixels) -> list[Any]:
    detector, _ = faces._dlib_models()
    return list(detector(pixels, 1))


def copies(pixels: Pixels) -> list[Any]:
    detector, _ = faces._dlib_models()
    return faces._detect(detector, pixels)[0]


def _apart(pixels: Pixels, full: Any, small: Any) -> float:
    one, height = _boxes(pixels, full)
    other, _ = _boxes(pixels, small)
    if one.keys() != other.keys():
        return 100.0
    return 100 * max(abs(a - b) for region in one for a, b in zip(one[region], other[region], strict=True)) / height


def _boxes(pixels: Pixels, face: Any) -> tuple[dict[str, Box], int]:
    _, predictor = faces._dlib_models()
    points = faces.landmarks(predictor, pixels, face)
    height, width = pixels.shape[:2]
    return {patch.region: patch.box for patch in patches.from_landmarks(points, width, height)}, int(
        np.ptp(points[:, 1])
    )


def _table(title: str, rows: Sequence[Compared]) -> None:
    apart = [row.difference for row in rows if row.difference is not None]
    one = [_share(row.full == 1 for row in rows), _share(row.small == 1 for row in rows)]
    several = [_share(row.full > 0 for row in rows), _share(row.small > 0 for row in rows)]
    print(f"{title}: {len(rows)} photographs")
    print(f"  exactly one face: full {one[0]}, copies {one[1]}")
    print(f"  any face:         full {several[0]}, copies {several[1]}")
    print(f"  the same patches to the pixel: {apart.count(0)} of {len(apart)}")
    print(f"  largest difference: {max(apart):.2f} % of the face's height")
    for row in rows:
        if row.full != row.small or row.difference:
            how_far = "" if row.difference is None else f", {row.difference:.2f} %"
            print(f"    {row.name}: {row.full} faces at full size, {row.small} on copies{how_far}")


def _share(flags: Iterable[bool]) -> str:
    values = list(flags)
    return f"{sum(values)} of {len(values)}"


def _times(large: Sequence[Pixels]) -> None:
    ratios, fast = [], []
    for pixels in large:
        for _ in range(ROUNDS):
            slow, quick = _seconds(full_size, pixels), _seconds(copies, pixels)
            ratios.append(slow / quick)
            fast.append(quick)
    print(
        f"12 megapixels, {len(ratios)} rounds: copies take {1000 * statistics.median(fast):.0f} ms at the median, "
        f"the full size {statistics.median(ratios):.0f} times as long ({min(ratios):.0f} to {max(ratios):.0f})"
    )


def _seconds(detect: Callable[[Pixels], list[Any]], pixels: Pixels) -> float:
    start = time.perf_counter()
    detect(pixels)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
