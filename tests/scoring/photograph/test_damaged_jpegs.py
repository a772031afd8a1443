"""A JPEG is taken if every pixel of it is there, and refused if some were painted by the decoder."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from scoring.photograph import decoding
from scoring.photograph.decoder import jpegs

PICTURES = Path(sklearn.datasets.__file__).parent / "images"
CHINA = Image.open(PICTURES / "china.jpg").convert("RGB").resize((330, 218))
INKS = CHINA.convert("CMYK")
GREY = CHINA.convert("L")


def made(picture: Image.Image = CHINA, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90, **options)
    return stream.getvalue()


WHOLE = {
    "baseline": made(),
    "without subsampling": made(subsampling=0),
    "optimised": made(optimize=True),
    "progressive": made(progressive=True),
    "restarting each row": made(restart_marker_rows=1),
    "restarting within rows": made(restart_marker_blocks=7),
    "grey, progressive": made(GREY, progressive=True),
    "inks": made(INKS),
}
# Of holes. After one the codes fall into step again; where they then make up as many blocks as were lost, nothing in
# the file tells. docs/decisions.md, 2026-12-01.
MOST_MISSED = 1 / 4
VISIBLE = 8  # of 255: the mean difference in a row of blocks


def pixels(data: bytes) -> np.ndarray:
    return jpegs.Jpeg(data, decoding.MAX_SCANS).pixels().astype(int)


def damage(data: bytes, whole: np.ndarray) -> float | None:
    """Return the greatest mean difference in a row of blocks; None where the file is refused."""
    try:
        found = pixels(data)
    except jpegs.DamagedError:
        return None
    rows = np.abs(found - whole).mean((1, 2))
    return max(float(rows[top : top + 16].mean()) for top in range(0, len(rows), 16))


@pytest.mark.parametrize("name", WHOLE)
def test_it_is_decoded_as_pillow_does(name: str) -> None:
    expected = np.asarray(Image.open(io.BytesIO(WHOLE[name])))
    found = pixels(WHOLE[name])
    assert np.array_equal(255 - found if name == "inks" else found.reshape(expected.shape), expected)


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "no end": lambda data: data[:-2],
    "half an end": lambda data: data[:-1],
    "no end, then zeros": lambda data: data[:-2] + bytes(4096),
    "zeros before the end": lambda data: data[:-2] + bytes(4096) + data[-2:],
    "two bytes before the end": lambda data: data[:-2] + b"\0\x7f" + data[-2:],
    "anything behind the end": lambda data: data + b"MotionPhoto_Data" + bytes(range(256)) * 9,
    "another picture behind the end": lambda data: data + data,
    "junk between its segments": lambda data: data[:2] + b"junk" + data[2:],
    "an odd JFIF version": lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\7"),
    "an unknown segment": lambda data: data[:2] + b"\xff\xef\x00\x04ab" + data[2:],
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("name", WHOLE)
def test_what_does_not_touch_the_picture_does_not_matter(name: str, change: Callable[[bytes], bytes]) -> None:
    assert np.array_equal(pixels(change(WHOLE[name])), pixels(WHOLE[name]))


def cuts(data: bytes) -> Iterator[bytes]:
    start = data.index(b"\xff\xda")
    for share in np.arange(0.02, 1, 0.02):
        cut = data[: start + int(share * (len(data) - start))]
        yield cut
        yield cut + jpegs.END_MARKER
        yield cut + bytes(len(data) - len(cut))
        yield cut + bytes(len(data) - len(cut) - 2) + jpegs.END_MARKER
    for scan in list(jpegs.Jpeg(data, decoding.MAX_SCANS).scans)[1:]:  # just before a scan of a progressive one
        yield data[: scan.end - len(scan.content) - 4]


@pytest.mark.parametrize("name", WHOLE)
def test_one_that_was_cut_anywhere_is_refused(name: str) -> None:
    whole = pixels(WHOLE[name])
    for data in cuts(WHOLE[name]):
        assert damage(data, whole) in {None, 0.0}, len(data)


def holes(data: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Yield the file with a stretch lost, or not written, or of another file, as disks and transfers leave it."""
    start = data.index(b"\xff\xda") + 20
    for size in (16, 64, 512, 2048) * 8:
        place = int(rng.integers(start, len(data) - size - 2))
        yield data[:place] + data[place + size :]
        yield data[:place] + bytes(size) + data[place + size :]
        yield data[:place] + rng.bytes(size).replace(b"\xff", b"\xfe") + data[place + size :]
        yield data[:place] + data[place : place + size] * 2 + data[place + size :]


@pytest.mark.parametrize("name", WHOLE)
def test_one_with_a_hole_is_nearly_always_refused(name: str) -> None:
    whole = pixels(WHOLE[name])
    found = [damage(data, whole) for data in holes(WHOLE[name], np.random.default_rng(18))]
    taken = [one for one in found if one is not None and one > VISIBLE]
    assert len(taken) <= MOST_MISSED * len(found), taken


def test_every_photograph_at_hand_is_taken(selfies: Path) -> None:
    found = [*PICTURES.glob("*.jpg"), *selfies.glob("*.jpg")]
    assert len(found) > 20
    for path in found:
        assert decoding.decode(path.read_bytes()).size, path
