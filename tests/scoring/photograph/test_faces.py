"""Faces are found on a small copy, in the boxes in which the full size has them."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.photograph import eyes, faces
from scoring.photograph.decoding import Pixels, decode
from scoring.photograph.eyes import Eye


@pytest.fixture(scope="module")
def picture(selfie_bytes: bytes) -> Pixels:
    return decode(selfie_bytes)


def found_at_full_size(pixels: Pixels) -> list[tuple[int, ...]]:
    """Detect as the published study did."""
    detector, _ = faces._dlib_models()
    return [(box.left(), box.top(), box.right(), box.bottom()) for box in detector(pixels, 1)]


def found(pixels: Pixels) -> list[tuple[int, ...]]:
    detector, _ = faces._dlib_models()
    return [(box.left(), box.top(), box.right(), box.bottom()) for box in faces._detect(detector, pixels)[0]]


def set_into(height: int, pixels: Pixels) -> Pixels:
    """Return the picture in the corner of a plain one, 1,200 pixels high."""
    scale = height / pixels.shape[0]
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    page = np.full((1200, 900, 3), 120, np.uint8)
    page[: small.shape[0], : small.shape[1]] = small
    return page


def test_a_copy_gives_the_box_of_the_full_size_to_the_pixel(picture: Pixels) -> None:
    assert found(picture) == found_at_full_size(picture)
    assert max(faces.copy_size(picture, next(faces._levels(picture)))) <= 640


@pytest.mark.parametrize("height", [200, 320])
def test_a_small_face_is_found_on_a_larger_copy(picture: Pixels, height: int) -> None:
    page = set_into(height, picture)
    ((left, top, right, bottom),) = found(page)
    ((x_min, y_min, x_max, y_max),) = found_at_full_size(page)
    assert (left, top, right, bottom) == pytest.approx((x_min, y_min, x_max, y_max), abs=0.2 * (right - left))


def test_a_picture_without_a_face_has_none() -> None:
    noise: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    assert faces.find_landmarks(noise) == []


@pytest.mark.parametrize(("level", "size"), [(0, (601, 801)), (1, (500, 667)), (2, (416, 555))])
def test_the_levels_have_dlibs_sizes(level: int, size: tuple[int, int]) -> None:
    assert faces.copy_size(np.zeros((400, 300, 3), np.uint8), level) == size


def test_a_window_is_mapped_as_dlib_maps_it() -> None:
    # Measured: dlib reports these two for one window, at full size upsampled once and on the copy eight levels below.
    assert faces.on_full_image((61, 164, 370, 474), 8) == [132, 354, 798, 1020]
    assert faces.on_full_image((108, 194, 366, 452), 8) == [233, 418, 788, 973]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_that_does_not_stand_upright_gets_no_patch_by_one_eye(picture: Pixels, quarters: int) -> None:
    turned = np.ascontiguousarray(np.rot90(picture, quarters))
    found = faces.find_landmarks(turned)
    assert found or faces.find_eye(turned) is None


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (Eye(100, 100, 40, 40), Eye(104, 98, 44, 44), True),
        (Eye(100, 100, 40, 40), Eye(100, 100, 80, 80), False),
        (Eye(100, 100, 40, 40), Eye(125, 100, 40, 40), False),
        (Eye(100, 100, 40, 40), Eye(300, 100, 40, 40), False),
    ],
)
def test_two_detectors_agree_on_one_place_of_one_size(one: Eye, other: Eye, *, agree: bool) -> None:
    assert eyes._agree(one, other) is agree


@pytest.mark.parametrize(
    ("colour", "is_skin"),
    [
        ((224, 172, 150), True),
        ((198, 134, 100), True),
        ((90, 56, 40), True),
        ((120, 120, 120), False),
        ((70, 110, 60), False),
        ((90, 120, 200), False),
    ],
)
def test_an_eye_lies_in_skin(colour: tuple[int, int, int], *, is_skin: bool) -> None:
    assert eyes._in_skin(Eye(40, 40, 30, 30), np.full((120, 120, 3), colour, np.uint8)) is is_skin
