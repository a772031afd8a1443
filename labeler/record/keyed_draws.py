"""What comes of a study's secret of 256 bits: every draw and order, and the codes of exports.

The secret's two branches are keys of their own, by HMAC-SHA256:

    dealing key = HMAC(secret, "dealing")      opened in the promise when the study closes
    naming key  = HMAC(secret, "naming")       never opened: codes stay codes
    key of a purpose = HMAC(dealing key, the purpose)
    words of call n of a purpose = SHAKE256(key of the purpose + n as 8 bytes, little-endian), 8 bytes each

A whole list, with every place in it known, is some outputs of one keyed function: whoever finds the key or another
output by them has broken HMAC or SHAKE256. Generators made for simulation (Mersenne Twister, PCG64, Philox) are no
such functions: a few hundred outputs give their state away. NumPy also doesn't promise that they draw the same in
its next release; this one is two standards and four lines, so anybody can check a deal after closing.
"""

import hashlib
import hmac

import numpy as np
from numpy.typing import NDArray

from labeler.models import Study
from labeler.person_codes.pseudonyms import DIGITS

WORD_BYTES = 8


class Draws:
    """Random numbers of one key. The methods are named as those of NumPy's `RandomState`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._calls = 0

    def _words(self, count: int) -> NDArray[np.uint64]:
        call = self._calls.to_bytes(WORD_BYTES, "little")
        self._calls += 1
        return np.frombuffer(hashlib.shake_256(self._key + call).digest(WORD_BYTES * count), "<u8")

    def random_sample(self, size: int) -> NDArray[np.float64]:
        """Return (size,) numbers from 0 up to but not including 1, evenly: the upper 53 bits of each word."""
        return (self._words(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def randint(self, low: int, high: int, size: int) -> NDArray[np.int64]:
        """Return (size,) whole numbers from `low` up to but not including `high`, evenly."""
        return low + np.floor(self.random_sample(size) * (high - low)).astype(np.int64)

    def permutation(self, values: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Return the values, or the numbers below one, in random order: each sorted by its word."""
        values = np.arange(values) if isinstance(values, int) else values
        shuffled: NDArray[np.int64] = values[np.argsort(self._words(len(values)), kind="stable")]
        return shuffled


def of(study: Study, *purpose: object) -> Draws:
    """Return the draws that belong to this purpose of a study, and to no other."""
    return by_key(dealing_key(bytes(study.secret)), *purpose)


def by_key(key: bytes, *purpose: object) -> Draws:
    """Return the draws of a purpose by a dealing key. Each word has its length before it, so that no two read alike."""
    words = [str(word).encode() for word in purpose]
    return Draws(_keyed(key, b"".join(b"%d:%b" % (len(word), word) for word in words)))


def dealing_key(secret: bytes) -> bytes:
    return _keyed(secret, b"dealing")


def code(study: Study, name: str) -> str:
    """Return what stands for a name outside of the study: without the secret, nobody finds one by the other."""
    return _keyed(_keyed(bytes(study.secret), b"naming"), name.encode()).hex()[:DIGITS]


def _keyed(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, "sha256")
