"""Secrets that somebody could guess: of small numbers, of what is known of a study, of small seeds. [core]

A study's secret should be 32 bytes of the system's own randomness. These are the ways in which it is not.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

SECRET_BYTES = 32
NUMBERS = 4096  # small numbers that are tried, from 0 on
CLOCK_SECONDS = 3  # between drawing a secret and storing its study


@dataclass(frozen=True)
class Known:
    """What others know of a study, or find out."""

    pk: int
    slug: str
    title: str
    seed: int  # of its fits
    created_at: datetime
    promise: str  # the published hash of its golden set
    others: tuple[bytes, ...] = ()  # secrets of the other studies here


@dataclass(frozen=True)
class Guess:
    """What a secret could have been made of."""

    name: str
    secret: bytes


def _padded(text: bytes) -> Iterator[bytes]:
    for filler in (b"\0", b" ", b"0"):
        yield text[:SECRET_BYTES].ljust(SECRET_BYTES, filler)
        yield text[:SECRET_BYTES].rjust(SECRET_BYTES, filler)
    yield (text * SECRET_BYTES)[:SECRET_BYTES]


HASHES: tuple[Callable[[bytes], bytes], ...] = (
    lambda text: hashlib.sha256(text).digest(),
    lambda text: hashlib.sha256(hashlib.sha256(text).digest()).digest(),
    lambda text: hashlib.sha256(hashlib.sha256(text).hexdigest().encode()).digest(),
    lambda text: hashlib.sha512(text).digest()[:SECRET_BYTES],
    lambda text: hashlib.sha3_256(text).digest(),
    lambda text: hashlib.blake2b(text, digest_size=SECRET_BYTES).digest(),
    lambda text: hashlib.blake2s(text).digest(),
    lambda text: hashlib.sha256(text).hexdigest()[:SECRET_BYTES].encode(),
    lambda text: hashlib.md5(text, usedforsecurity=False).hexdigest().encode(),
    lambda text: hashlib.md5(text, usedforsecurity=False).digest() * 2,
)


def secrets_to_try(known: Known, numbers: int = NUMBERS) -> Iterator[Guess]:
    """Yield every guess, the likely ones first."""
    yield from (Guess("the secret of another study", secret) for secret in known.others)
    yield from (Guess("one byte over and over", bytes([byte]) * SECRET_BYTES) for byte in range(256))
    yield Guess("bytes that count up", bytes(range(SECRET_BYTES)))
    yield Guess("the promise's hash", bytes.fromhex(known.promise)[:SECRET_BYTES].ljust(SECRET_BYTES, b"\0"))
    for name, number in _numbers(known):
        yield from (Guess(name, secret) for secret in _of_number(number))
    for name, text in _texts(known):
        yield from (Guess(name, secret) for secret in _of_text(text.encode()))
    for number in range(numbers):
        yield from (Guess("a small number", secret) for secret in _of_number(number))


def seeds_to_try(known: Known, numbers: int = NUMBERS) -> Iterator[tuple[str, int]]:
    """Yield the numbers that the construction of releases before 2026-12 could have started from."""
    yield from _numbers(known)
    yield from (("a small number", number) for number in range(numbers))


def _numbers(known: Known) -> Iterator[tuple[str, int]]:
    yield from (("the seed of the fits", known.seed + further) for further in range(5))
    yield "the study's row", known.pk
    moment = known.created_at.timestamp()
    for seconds in range(-CLOCK_SECONDS, CLOCK_SECONDS + 1):
        yield "the second of its making", int(moment) + seconds
    yield from (("the moment of its making", int(moment * unit)) for unit in (10**3, 10**6))


def _texts(known: Known) -> Iterator[tuple[str, str]]:
    made = known.created_at.astimezone(UTC)
    texts = {"the slug": known.slug, "the title": known.title, "the promise's hash": known.promise}
    yield from texts.items()
    for text in (made.date(), made.replace(microsecond=0), made, made.replace(microsecond=0, tzinfo=None)):
        yield "the moment of its making", text.isoformat()
        yield "the moment of its making", str(text)
    others = (known.pk, known.seed, int(made.timestamp()), made.date(), known.title)
    for other in others:
        for between in ("", " ", "-", "_", ":", "/", ",", "."):
            yield "the slug and what else is known", f"{known.slug}{between}{other}"
            yield "the slug and what else is known", f"{other}{between}{known.slug}"
    yield from (("the slug with a word", f"{word}{known.slug}") for word in ("study ", "secret ", "golden ", "order "))


def _of_text(text: bytes) -> Iterator[bytes]:
    yield from _padded(text)
    yield from (hashed(text) for hashed in HASHES)
    yield random.Random(text).randbytes(SECRET_BYTES)  # noqa: S311  as somebody might have done


def _of_number(number: int) -> Iterator[bytes]:
    text = str(number).encode()
    yield number.to_bytes(SECRET_BYTES, "big")
    yield number.to_bytes(SECRET_BYTES, "little")
    yield hashlib.sha256(text).digest()
    yield from _padded(text)
    yield from (hashlib.sha256(number.to_bytes(8, order)).digest() for order in ("big", "little"))
    yield from (hashed(text) for hashed in HASHES[1:])
    yield hashlib.sha256(number.to_bytes(max(1, (number.bit_length() + 7) // 8))).digest()
    yield random.Random(number).randbytes(SECRET_BYTES)  # noqa: S311  as somebody might have done
    yield np.random.default_rng(number).bytes(SECRET_BYTES)
    if number < 2**32:
        yield np.random.RandomState(number).bytes(SECRET_BYTES)
