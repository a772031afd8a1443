"""A photograph changed in the usual ways is found again, and others are not taken for it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from demo.selfies import read_severities
from scoring.photograph import decoding, faces, fingerprint_search, fingerprints, quality

CHANGES = {
    "encoded again": lambda picture: Image.fromarray(decoding.decode(_jpeg(picture, 30))),
    "half the size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "mirrored": ImageOps.mirror,
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "cropped": lambda picture: ImageOps.crop(picture, border=round(0.05 * picture.width)),
}


def _jpeg(picture: Image.Image, level: int) -> bytes:
    import io

    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=level)
    return stream.getvalue()


def _fingerprint(picture: Image.Image) -> fingerprints.Fingerprint:
    pixels = np.asarray(picture)
    return fingerprints.fingerprint(pixels, faces.find_landmarks(pixels))


@pytest.fixture(scope="module")
def pictures(selfies: Path) -> list[Image.Image]:
    regular = [made.file for made in read_severities(selfies) if made.kind == "regular"][:6]
    return [Image.fromarray(decoding.decode((selfies / name).read_bytes())) for name in regular]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photograph_is_a_near_pair_of_itself_alone(pictures: list[Image.Image], change: str) -> None:
    changed = [CHANGES[change](picture) for picture in pictures[:2]]  # type: ignore[no-untyped-call]
    pairs, distances = fingerprint_search.near_pairs(
        np.stack([_fingerprint(picture) for picture in [*pictures, *changed]])
    )
    own = {(0, len(pictures)), (1, len(pictures) + 1)}
    assert own <= set(map(tuple, pairs.tolist()))
    assert distances.max() <= fingerprint_search.FACE_LIMIT


def test_random_fingerprints_are_no_pairs_and_planted_ones_are_found() -> None:
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 2**64, (20_000, 4, 4), dtype=np.uint64)
    rows[12_345] = rows[77]
    rows[12_345, fingerprints.FRAME, 0] ^= np.uint64(0b1011)  # three bits of the frame
    rows[:, fingerprints.FACE :] = 0  # no face in any
    pairs, distances = fingerprint_search.near_pairs(rows)
    assert pairs.tolist() == [[77, 12_345]]
    assert distances.tolist() == [3]


def test_a_fingerprint_survives_its_bytes(pictures: list[Image.Image]) -> None:
    one = _fingerprint(pictures[0])
    assert (fingerprints.from_bytes([fingerprints.to_bytes(one)])[0] == one).all()


def test_blur_lowers_sharpness_and_dimming_lowers_exposure(pictures: list[Image.Image]) -> None:
    import cv2

    pixels = np.asarray(pictures[0])
    found = faces.find_landmarks(pixels)
    plain = quality.measure(pixels, found)
    blurred = quality.measure(cv2.GaussianBlur(pixels, (0, 0), 6).astype(np.uint8), found)
    dim = quality.measure((pixels // 2).astype(np.uint8), found)
    assert blurred.sharpness < plain.sharpness - 0.5
    assert dim.exposure == pytest.approx(plain.exposure / 2, abs=0.02)
    assert (plain.faces, plain.short_side) == (1, min(pixels.shape[:2]))
