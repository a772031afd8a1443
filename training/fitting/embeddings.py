"""From graded images to the rows that estimators are fitted on, through the feature store."""

import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from scoring.network import embedder
from scoring.photograph import decoding
from scoring.photograph.patches import Layout
from scoring.platform import jobs
from scoring.regressor import feature_store
from scoring.regressor.pipeline import UNCHANGED, Described, Key, Variant, Variants
from scoring.regressor.recipes import Pooling, Recipe
from scoring.weights import weight_files
from training.fitting import rolling
from training.fitting.dataset import GoldenImage, OrdinaryImage
from training.fitting.run_progress import Done

TOGETHER = 8  # images embedded in common batches; each holds two to four patches
HELPERS_SECONDS = 120.0  # seconds that others may take for as many: they take a few

Graded = OrdinaryImage | GoldenImage


@dataclass(frozen=True)
class Rows:
    """What ms2019 is fitted on: (n, 2048) float32 embeddings and the (n,) grades of their images."""

    embeddings: NDArray[np.float32]
    grades: list[float]


def store(graded: Sequence[Graded], recipe: Recipe, done: Done, *, call: Callable[[], None] = lambda: None) -> None:
    """Store what is not stored yet, so that an image that can't be read shows before anything is fitted.

    Where something is missing `call` asks other workers, once, to `help_store`. Each image is embedded by one of them.
    """
    held: list[Graded] = []
    is_called = False
    for start in range(0, len(graded), TOGETHER):
        part = graded[start : start + TOGETHER]
        with _taken(part) as ours:
            if _complete(ours, recipe) and not is_called:
                call()
                is_called = True
        held += [image for image in part if image not in ours]
        done(min(start + TOGETHER, len(graded)) - len(held))
    for number, image in enumerate(held, start=1):
        with _waited_for(image):
            _complete([image], recipe)
        done(len(graded) - len(held) + number)


def help_store(graded: Sequence[Graded], recipe: Recipe, *, is_over: Callable[[], bool]) -> None:
    """Embed and store images that no other worker holds, in a shuffled order, so that workers seldom meet."""
    order = np.random.default_rng().permutation(len(graded))
    for start in range(0, len(graded), TOGETHER):
        if is_over():
            return
        with _taken([graded[place] for place in order[start : start + TOGETHER]]) as ours:
            _complete(ours, recipe)


def _complete(some: Sequence[Graded], recipe: Recipe) -> bool:
    """Store what is missing of some images; return whether anything was."""
    pending = [_prepare(image, recipe) for image in some]
    try:
        feature_store.complete(pending, recipe)
    except weight_files.WeightsError as error:
        raise jobs.JobError(str(error)) from error
    return any(one.crops for one in pending)


@contextmanager
def _taken(some: Sequence[Graded]) -> Iterator[list[Graded]]:
    """Give those of the images that no other worker holds. PostgreSQL lets go of them with the block, or with us."""
    keys = [_key(image) for image in some]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(key) FROM unnest(%s::bigint[]) WITH ORDINALITY AS _(key)", [keys])
        are_ours = [is_ours for (is_ours,) in cursor.fetchall()]
    try:
        yield [image for image, is_ours in zip(some, are_ours, strict=True) if is_ours]
    finally:
        ours = [key for key, is_ours in zip(keys, are_ours, strict=True) if is_ours]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(key) FROM unnest(%s::bigint[]) AS _(key)", [ours])


@contextmanager
def _waited_for(image: Graded) -> Iterator[None]:
    """Wait until another worker is done with an image. One that takes too long counts as stuck: it is done twice."""
    deadline = time.monotonic() + HELPERS_SECONDS
    while True:
        with _taken([image]) as ours:
            if ours or time.monotonic() > deadline:
                yield
                return
        time.sleep(0.2)


def _key(image: Graded) -> int:
    return int.from_bytes(hashlib.sha256(f"embedding {image.content_hash}".encode()).digest()[:8], signed=True)


def pool(ordinary: Sequence[OrdinaryImage], recipe: Recipe) -> dict[Pooling, NDArray[np.float32]]:
    """Return every face's pooled embedding (n, 2048), by every way of pooling.

    They are mapped from temporary files, so that memory is bounded.
    """
    refuse_golden(ordinary)
    pooled = {pooling: _mapped(len(ordinary)) for pooling in Pooling}
    for number, known in enumerate(describe(ordinary, recipe)):
        for pooling, faces in pooled.items():
            faces[number] = pooling.pool(known.rows())
    return pooled


def _mapped(n: int) -> NDArray[np.float32]:
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype=np.float32, mode="w+", shape=(n, embedder.DIMENSIONS))


def roll(train: Sequence[OrdinaryImage], recipe: Recipe, done: Done) -> Rows:
    """Embed the patches, then roll them: more often where a grade is rare among the rows really used."""
    refuse_golden(train)
    layouts = [known.layout for known in describe(train, recipe)]
    counts = Counter(round(image.grade) for image, layout in zip(train, layouts, strict=True) for _ in layout.patches)
    rolls = rolling.rolls_per_grade(counts)
    wanted = [_rolls(layout, rolls[round(image.grade)]) for image, layout in zip(train, layouts, strict=True)]
    embeddings, grades = [], []
    rolled = zip(train, wanted, describe(train, recipe, wanted), strict=True)
    for number, (image, rolls_of_it, known) in enumerate(rolled, start=1):
        keys: list[Key] = [(region, roll) for region, some in rolls_of_it.items() for roll in some]
        embeddings += [known.embeddings[key] for key in keys]
        grades += [image.grade] * len(keys)
        done(number)
    return Rows(np.stack(embeddings).astype(np.float32), grades)


def describe(graded: Sequence[Graded], recipe: Recipe, wanted: Sequence[Variants] | None = None) -> Iterator[Described]:
    """Yield every image's description with the variants wanted of it: read many at a time, computed where missing."""
    stored = feature_store.read_many([image.selfie for image in graded], recipe)
    for image, known, variants in zip(graded, stored, wanted or [UNCHANGED] * len(graded), strict=True):
        yield known if known and not known.missing(variants) else _describe(image, recipe, variants)


def refuse_golden(train: Sequence[OrdinaryImage]) -> None:
    """Raise TypeError for anything but ordinary images: no road leads from a golden image to a training row."""
    if not all(isinstance(image, OrdinaryImage) for image in train):
        raise TypeError("Only ordinary images may be trained on.")


def _prepare(image: Graded, recipe: Recipe) -> feature_store.Pending:
    with _naming(image):
        return feature_store.prepare(image.selfie, recipe)


def _describe(image: Graded, recipe: Recipe, variants: Variants) -> Described:
    with _naming(image):
        return feature_store.describe(image.selfie, recipe, variants=variants)


@contextmanager
def _naming(image: Graded) -> Iterator[None]:
    """Turn what people can mend into JobError, naming the image."""
    try:
        yield
    except FileNotFoundError as error:
        raise jobs.JobError(
            f"The file of the image {image.original} is not in storage. Restore it; or retrain, if it was erased."
        ) from error
    except decoding.ImageError as error:
        raise jobs.JobError(f"The image {image.original} can't be read: {error}") from error
    except weight_files.WeightsError as error:
        raise jobs.JobError(str(error)) from error


def _rolls(layout: Layout, rolls: int) -> dict[str, tuple[Variant, ...]]:
    """Return region -> its rolls: along x for the forehead, along y for every other patch."""
    variants = {}
    for patch in layout.patches:
        x_min, y_min, x_max, y_max = patch.box
        dimension = x_max - x_min if patch.region == "forehead" else y_max - y_min
        variants[patch.region] = tuple(Variant(offset) for offset in rolling.offsets(dimension, rolls))
    return variants
