"""Search for nearly equal fingerprints among a million, without comparing all pairs.

Locality-sensitive hashing (Indyk and Motwani 1998): hashes that agree in one of many samples of their bits are
compared in full, others never. Two hashes of 256 bits that differ in d agree in a sample of 16 with probability
(1 - d/256)^16, so 48 samples find 99.9 % of pairs at d = 24 and 96 % at d = 40.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from scoring.photograph.fingerprints import FACE, FACE_MIRRORED, FRAME, FRAME_MIRRORED, HASH_SIDE

BITS = HASH_SIDE**2
SAMPLE = 16  # bits: a million hashes fall into 65,536 buckets of 15
SAMPLES = 48
# Bits. Measured on photographs and made faces: the same photograph changed differs in 0 to 45 (95 % of changes), other
# photographs in 60 and more (99 % of pairs).
FRAME_LIMIT, FACE_LIMIT = 32, 44
# A bucket this full holds hashes that are alike in what all portraits share; their other samples tell them apart.
FULLEST = 2_000
PAIRS_AT_ONCE = 4_000_000  # of 64 bytes each

Words = NDArray[np.uint64]
Pairs = NDArray[np.int64]


def near_pairs(
    fingerprints: NDArray[np.uint64], *, seed: int = 0, on_sample: Callable[[int, int], None] | None = None
) -> tuple[Pairs, NDArray[np.int64]]:
    """Return (m, 2) row numbers i < j of fingerprints (n, 4, WORDS) that look like one photograph, and (m,) bits.

    The distance is the smaller of the frames' and the faces', each as it is or mirrored. `on_sample(done, total)` hears
    of progress.
    """
    done = 0
    rng = np.random.default_rng(seed)
    found: dict[tuple[int, int], int] = {}
    for row, mirrored, limit in ((FRAME, FRAME_MIRRORED, FRAME_LIMIT), (FACE, FACE_MIRRORED, FACE_LIMIT)):
        there = np.flatnonzero(fingerprints[:, row].any(axis=1))
        plain, other = fingerprints[there, row], fingerprints[there, mirrored]
        for sample in _near(plain, other, limit, rng):
            for pairs, distances in sample:
                for (first, second), distance in zip(there[pairs].tolist(), distances.tolist(), strict=True):
                    pair = (min(first, second), max(first, second))
                    found[pair] = min(distance, found.get(pair, BITS))
            done += 1
            if on_sample:
                on_sample(done, 2 * SAMPLES)
    ordered = sorted(found)
    return np.array(ordered, np.int64).reshape(-1, 2), np.array([found[pair] for pair in ordered], np.int64)


def distance(one: Words, other: Words) -> int:
    """Return the bits in which two fingerprints, (4, WORDS) each, differ: frames or faces, as they are or mirrored."""
    ways = [(row, way) for row, mirrored in ((FRAME, FRAME_MIRRORED), (FACE, FACE_MIRRORED)) for way in (row, mirrored)]
    bits = [
        int(np.bitwise_count(one[row] ^ other[way]).sum()) for row, way in ways if one[row].any() and other[way].any()
    ]
    return min(bits, default=BITS)


def _near(
    plain: Words, mirrored: Words, limit: int, rng: np.random.Generator
) -> Iterator[Iterator[tuple[Pairs, Pairs]]]:
    """Yield, sample by sample, the pairs of (n, WORDS) hashes within the limit, plain to plain and plain to mirrored.

    Some come repeatedly.
    """
    both = np.concatenate([plain, mirrored])
    bits = np.ascontiguousarray(np.unpackbits(both.view(np.uint8), axis=1).T)  # (BITS, 2n)
    for _ in range(SAMPLES):
        yield _within(both, _keys(bits, rng.choice(BITS, SAMPLE, replace=False)), limit)


def _within(both: Words, keys: NDArray[np.uint16], limit: int) -> Iterator[tuple[Pairs, Pairs]]:
    """Yield the pairs within the limit among (2n, WORDS) hashes that have the same of (2n,) keys."""
    count = len(both) // 2
    for pairs in _sharing(keys):
        pairs = pairs[pairs[:, 0] < count]  # noqa: PLW2901  two mirrored ones say nothing new
        distances = np.bitwise_count(both[pairs[:, 0]] ^ both[pairs[:, 1]]).sum(axis=1, dtype=np.int64)
        near = distances <= limit
        pairs, distances = pairs[near] % count, distances[near]  # noqa: PLW2901
        different = pairs[:, 0] != pairs[:, 1]  # a symmetrical picture is its own mirror image
        yield pairs[different], distances[different]


def _keys(bits: NDArray[np.uint8], sample: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Put the sampled rows of (BITS, n) together to (n,) keys."""
    keys = np.zeros(bits.shape[1], np.uint16)
    for row in sample:
        keys = keys << 1 | bits[row]
    return keys


def _sharing(keys: NDArray[np.uint16]) -> Iterator[Pairs]:
    """Yield (m, 2) numbers, the smaller first, of rows that have the same key, some millions at once."""
    order = np.argsort(keys, kind="stable")
    borders = np.flatnonzero(np.diff(keys[order].astype(np.int64), prepend=-1, append=-1))
    sizes = np.diff(borders)
    # How many rows of the same bucket follow each row.
    behind = np.repeat(borders[1:], sizes) - np.arange(len(keys)) - 1
    behind[np.repeat(sizes > FULLEST, sizes)] = 0
    ends = np.cumsum(behind)
    start = 0
    while start < len(order):
        stop = max(start + 1, int(np.searchsorted(ends, (ends[start - 1] if start else 0) + PAIRS_AT_ONCE)))
        lengths = behind[start:stop]
        first = np.repeat(np.arange(start, stop), lengths)
        steps = np.arange(len(first)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
        yield np.stack([order[first], order[first + steps]], axis=1)
        start = stop
