"""Stored embeddings by content hash, feature key, turn, box and variant: none is computed twice.

One file per selfie, feature key and turn: a SHA-256 of the rest, then safetensors that hold layout and quality as JSON
and a float16 embedding per box and variant. Two workers may write the same file: a reader finds either version whole,
and what the losing one had added is computed again when next wanted.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import TypeAdapter

from scoring.photograph.decoding import Selfie
from scoring.photograph.patches import Layout, Patch
from scoring.photograph.quality import Quality
from scoring.platform import blobs
from scoring.regressor import pipeline
from scoring.regressor.pipeline import UNCHANGED, Crops, Described, Key, Variant, Variants
from scoring.regressor.recipes import Recipe

DIGEST_BYTES = 32  # SHA-256
FOUND = "found"  # the layout and the quality
ROOT = "features"
TURN = "-turn"  # between the feature key and the turn, in names
READERS = 8  # threads: object storage answers after tens of milliseconds
SLICE = 256  # files read ahead at most: 12 embeddings of 4 patches are 0.2 MB each

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Found:
    layout: Layout
    quality: Quality


_FOUND = TypeAdapter(_Found)


@dataclass(frozen=True)
class Pending:
    """A selfie of which something is stored already, and the crops whose embeddings are not."""

    name: str  # in storage
    known: Described
    crops: Crops


def describe(selfie: Selfie, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Described:
    """`pipeline.describe`, computing only what is not stored and storing it. Returns what was asked for, or more.

    Pixels are decoded only if something is missing. Raises images.ImageError and weights.WeightsError.
    """
    return complete([prepare(selfie, recipe, variants=variants)], recipe)[0]


def prepare(selfie: Selfie, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Pending:
    """Read what is stored of a selfie and cut out what is not. Raises images.ImageError and weights.WeightsError."""
    name = storage_name(selfie, recipe)
    known = _read(name) or Described(*pipeline.look(selfie.pixels, recipe, selfie.turn), {})
    missing = known.missing(variants)
    return Pending(name, known, pipeline.cut(selfie.pixels, known.layout, missing) if missing else {})


def complete(pending: Sequence[Pending], recipe: Recipe) -> list[Described]:
    """Embed the crops of many selfies in common batches, and store them. Raises weights.WeightsError."""
    fresh = pipeline.embed([one.crops for one in pending], recipe)
    return [_add(one, embeddings) if embeddings else one.known for one, embeddings in zip(pending, fresh, strict=True)]


def read_many(selfies: Sequence[Selfie], recipe: Recipe) -> Iterator[Described | None]:
    """Yield what is stored of each selfie, in order, and None where that is nothing."""
    with ThreadPoolExecutor(READERS) as readers:
        for start in range(0, len(selfies), SLICE):
            some = selfies[start : start + SLICE]
            yield from readers.map(_read, [storage_name(selfie, recipe) for selfie in some])


def erase(content_hash: str) -> int:
    """Delete everything that was derived from a selfie, of every recipe. Returns the number of files.

    Delete its row first: what a worker stores of it at this very moment is then found by `collect`.
    """
    names = stored(content_hash)
    for name in names:
        blobs.erase(name)
    blobs.erase(_folder(content_hash))
    return len(names)


def stored(content_hash: str) -> list[str]:
    """Return the storage names of everything that was derived from a selfie."""
    folder = _folder(content_hash)
    return [f"{folder}/{name}" for name in blobs.files(folder)]


def collect(*, known: Callable[[Sequence[str]], Collection[str]], feature_keys: Collection[str]) -> int:
    """Delete what is stored of other images than the known ones and under other keys. Returns the number of files.

    `known` is asked for the content hashes of a few thousand images at a time which of them are still there.
    """
    deleted = 0
    for part in blobs.folders(ROOT):
        hashes = blobs.folders(f"{ROOT}/{part}")
        still_there = set(known(hashes))
        deleted += sum(erase(content_hash) for content_hash in hashes if content_hash not in still_there)
        deleted += sum(_collect_one(content_hash, feature_keys) for content_hash in still_there)
    return deleted


def storage_name(selfie: Selfie, recipe: Recipe) -> str:
    """Return where a selfie's embeddings are: a photograph that a person turned anew has others."""
    known = "" if selfie.turn is None else f"{TURN}{selfie.turn}"
    return f"{_folder(selfie.content_hash)}/{recipe.feature_key}{known}"


def _folder(content_hash: str) -> str:
    """Return the folder of a selfie: erasing it erases everything derived from it."""
    return f"{ROOT}/{content_hash[:2]}/{content_hash}"


def _collect_one(content_hash: str, feature_keys: Collection[str]) -> int:
    folder = _folder(content_hash)
    unwanted = [f"{folder}/{name}" for name in blobs.files(folder) if name.partition(TURN)[0] not in feature_keys]
    unwanted = [name for name in unwanted if "/." not in name or blobs.was_abandoned(name)]
    for name in unwanted:
        blobs.erase(name)
    return len(unwanted)


def _add(pending: Pending, fresh: dict[Key, NDArray[np.float16]]) -> Described:
    known, since = pending.known, _read(pending.name)
    # Another worker may have added variants meanwhile; of another layout (other libraries there) they are of no use.
    added = since.embeddings if since and since.layout == known.layout else {}
    described = Described(known.layout, known.quality, known.embeddings | added | fresh)
    blobs.write(pending.name, _pack(described))
    logger.debug("Embedded %s", pending.name)
    return described


def _read(name: str) -> Described | None:
    try:
        data = blobs.read(name)
    except FileNotFoundError:
        return None
    if hashlib.sha256(data[DIGEST_BYTES:]).digest() != data[:DIGEST_BYTES]:
        logger.warning("Stored embeddings %s are damaged; computing them again.", name)
        return None
    return _unpack(data[DIGEST_BYTES:])


def _pack(described: Described) -> bytes:
    places = {patch.region: _place(patch) for patch in described.layout.patches}
    tensors = {
        f"{places[region]}/{how.roll}/{int(how.flipped)}": embedding
        for (region, how), embedding in described.embeddings.items()
    }
    found = _FOUND.dump_json(_Found(described.layout, described.quality))
    payload = safetensors.numpy.save({**tensors, FOUND: np.frombuffer(found, dtype=np.uint8)})
    return hashlib.sha256(payload).digest() + payload


def _unpack(payload: bytes) -> Described:
    tensors = safetensors.numpy.load(payload)
    found = _FOUND.validate_json(tensors.pop(FOUND).tobytes())
    regions = {_place(patch): patch.region for patch in found.layout.patches}
    embeddings = {}
    for name, embedding in tensors.items():
        place, roll, flipped = name.rsplit("/", 2)
        embeddings[regions[place], Variant(int(roll), flipped == "1")] = embedding
    return Described(found.layout, found.quality, embeddings)


def _place(patch: Patch) -> str:
    """Return the patch's region and exact box: what an embedding was computed from."""
    return f"{patch.region}/{','.join(map(str, patch.box))}/{patch.turn!r}"
