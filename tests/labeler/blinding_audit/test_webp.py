"""The bytes of a WebP tell how it was encoded and what lies beside the picture."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.blinding_audit import webp
from scoring.photograph import decoding

NOISE = np.random.default_rng(5).integers(0, 256, (120, 90, 3), dtype=np.uint8)


def encode(**how: object) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(NOISE).save(file, "WEBP", **how)
    return file.getvalue()


def quantizer(data: bytes) -> int:
    coded = webp.lossy(data)
    assert coded is not None
    return coded.quantizer


def test_our_renditions_hold_the_picture_and_nothing_else() -> None:
    assert [chunk.name for chunk in webp.chunks(decoding.render(NOISE, long_side=120))] == ["VP8 "]


def test_metadata_lies_in_chunks_of_their_own() -> None:
    exif = PillowImage.Exif()
    exif[0x010E] = "somebody"
    assert [chunk.name for chunk in webp.chunks(encode(exif=exif.tobytes()))] == ["VP8X", "VP8 ", "EXIF"]


@pytest.mark.parametrize("method", [0, 4, 6])
def test_a_lower_quality_has_a_coarser_quantizer(method: int) -> None:
    found = [quantizer(encode(quality=quality, method=method)) for quality in (95, 80, 60, 20)]
    assert found == sorted(found)
    assert len(set(found)) == 4
    assert all(0 <= index <= 127 for index in found)


def test_a_lossless_picture_has_no_quantizer() -> None:
    assert webp.lossy(encode(lossless=True)) is None


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not a picture at all", decoding.render(NOISE, long_side=120)[:24]])
def test_what_is_cut_short_or_something_else_is_no_error(data: bytes) -> None:
    assert webp.lossy(data) is None
