"""Perceptual fingerprints that survive re-encoding, resizing, cropping, mirroring and new light.

Two perceptual hashes (pHash by ImageHash) of 256 bits: of the whole frame, and of the face turned upright and brought
to one size by its landmarks, which a crop leaves as it was. Each stands there as it is and mirrored. Whose faces are
found to be alike are suspects for a person to judge: two shots of one moment look like one photograph too.
"""

from collections.abc import Sequence

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scoring.photograph.decoding import Pixels
from scoring.photograph.quality import largest

HASH_SIDE = 16  # 16 x 16 bits
WORDS = HASH_SIDE**2 // 64  # of 64 bits each
FRAME, FRAME_MIRRORED, FACE, FACE_MIRRORED = range(4)
BYTES = 4 * HASH_SIDE**2 // 8

FRAME_SIDE = 256  # pixels: pHash itself looks at 64
FACE_SIDE = 128  # pixels of the upright face
FACE_SPREAD = 0.18  # root mean square distance of inner landmarks from their centre, as a share of FACE_SIDE
CHIN = 17  # the first 17 landmarks run along the jaw, which an expression moves most

Fingerprint = NDArray[np.uint64]  # (4, WORDS); the face's rows are 0 where none was found


def fingerprint(pixels: Pixels, faces: Sequence[NDArray[np.int64]]) -> Fingerprint:
    """Return the (4, 4) fingerprint of (height, width, 3) sRGB pixels with these landmarks, each (68, 2)."""
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    face = largest(faces)
    rows = [
        *_both_ways(Image.fromarray(cv2.resize(grey, (FRAME_SIDE, FRAME_SIDE), interpolation=cv2.INTER_AREA))),
        *(_both_ways(_upright(grey, face)) if face is not None else [b"", b""]),
    ]
    return np.frombuffer(b"".join(row.ljust(BYTES // 4, b"\0") for row in rows), np.uint64).reshape(4, WORDS)


def to_bytes(fingerprint: Fingerprint) -> bytes:
    return fingerprint.tobytes()


def from_bytes(rows: Sequence[bytes | memoryview]) -> NDArray[np.uint64]:
    """Return (n, 4, WORDS)."""
    return np.frombuffer(b"".join(bytes(row) for row in rows), np.uint64).reshape(len(rows), 4, WORDS)


def _both_ways(picture: Image.Image) -> list[bytes]:
    return [_hash(picture), _hash(ImageOps.mirror(picture))]


def _hash(picture: Image.Image) -> bytes:
    return np.packbits(imagehash.phash(picture, hash_size=HASH_SIDE).hash).tobytes()


def _upright(grey: NDArray[np.uint8], face: NDArray[np.int64]) -> Image.Image:
    """Turn, scale and shift the picture so that the eyes are level and the inner landmarks have one spread."""
    points = face.astype(np.float64)
    centre = points[CHIN:].mean(axis=0)
    spread = np.sqrt(((points[CHIN:] - centre) ** 2).sum(axis=1).mean())
    across = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)  # from one eye to the other
    scale = FACE_SIDE * FACE_SPREAD / max(spread, 1.0)
    if scale < 1:  # shrink by area first: warping alone would pick single pixels
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        centre, scale = centre * scale, 1.0
    turn = cv2.getRotationMatrix2D(tuple(centre), np.degrees(np.arctan2(across[1], across[0])), scale)
    turn[:, 2] += FACE_SIDE / 2 - centre
    return Image.fromarray(cv2.warpAffine(grey, turn, (FACE_SIDE, FACE_SIDE), borderMode=cv2.BORDER_REPLICATE))
