"""Embeddings by (content hash, feature key) in storage: none is ever computed twice.

One file per selfie and feature key: a SHA-256 of the rest, then safetensors that hold layout and quality as JSON and an
embedding per region and roll. Two workers may write the same file: a reader finds either version whole, and what the
losing one had added is computed again when next wanted.
"""

import hashlib
import json
import logging
from dataclasses import asdict

import numpy as np
import safetensors.numpy

from scoring import blobs, pipeline
from scoring.images import Selfie
from scoring.patches import Layout
from scoring.pipeline import UNROLLED, Described, Rolls
from scoring.quality import Quality
from scoring.recipes import Recipe

DIGEST_BYTES = 32  # SHA-256
FOUND = "found"  # the layout and the quality

logger = logging.getLogger(__name__)


def describe(selfie: Selfie, recipe: Recipe, *, rolls: Rolls = UNROLLED) -> Described:
    """`pipeline.describe`, computing only what is not stored and storing it. Returns what was asked for, or more.

    Pixels are decoded only if something is missing. Raises images.ImageError and weights.WeightsError.
    """
    name = storage_name(selfie.content_hash, recipe)
    known = _read(name) or Described(*pipeline.look(selfie.pixels, recipe), {})
    missing = [key for key in pipeline.keys(known.layout, rolls) if key not in known.embeddings]
    if not missing:
        return known
    fresh = pipeline.embed(selfie.pixels, known.layout, missing, recipe)
    since = _read(name)  # another worker may have added rolls meanwhile
    described = Described(known.layout, known.quality, known.embeddings | (since.embeddings if since else {}) | fresh)
    blobs.write(name, _pack(described))
    return described


def storage_name(content_hash: str, recipe: Recipe) -> str:
    """A folder per selfie, so that erasing one finds everything derived from it."""
    return f"features/{content_hash[:2]}/{content_hash}/{recipe.feature_key}"


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
    tensors = {f"{region}/{offset}": embedding for (region, offset), embedding in described.embeddings.items()}
    found = {"layout": described.layout.as_json(), "quality": asdict(described.quality)}
    payload = safetensors.numpy.save({**tensors, FOUND: np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)})
    return hashlib.sha256(payload).digest() + payload


def _unpack(payload: bytes) -> Described:
    tensors = safetensors.numpy.load(payload)
    found = json.loads(tensors.pop(FOUND).tobytes())
    split = {name: name.split("/") for name in tensors}
    embeddings = {(region, int(offset)): tensors[name] for name, (region, offset) in split.items()}
    return Described(Layout.from_json(found["layout"]), Quality(**found["quality"]), embeddings)
