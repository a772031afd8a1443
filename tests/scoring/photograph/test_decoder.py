"""Files of strangers are opened in another process, which takes no more memory and time than it may."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scoring.photograph import decoding, formats
from scoring.photograph.decoder import pool
from tests.scoring.photograph.test_decoding import PHOTO, _grey_profile, _swapped_primaries_profile, saved

LARGE = PHOTO.resize((1600, 1250))
COLOURS = _swapped_primaries_profile()
TURNED = Image.Exif()
TURNED[0x0112] = 6
SIXTEEN_BITS = np.asarray(LARGE).astype(np.uint16) * 257
# A format and a mode -> the file: each way from a file to pixels, with whatever makes a copy of the picture.
WAYS = {
    "JPEG": saved(LARGE, "JPEG"),
    "JPEG, progressive": saved(LARGE, "JPEG", progressive=True),
    "JPEG, turned": saved(LARGE, "JPEG", exif=TURNED, icc_profile=COLOURS),
    "JPEG of CMYK": saved(LARGE.convert("CMYK"), "JPEG", exif=TURNED),
    "JPEG of one colour": saved(Image.new("RGB", LARGE.size, "white"), "JPEG"),
    "JPEG without an end": saved(LARGE, "JPEG")[:-2],
    "PNG": saved(LARGE, "PNG"),
    "PNG, turned": saved(LARGE.convert("RGBA"), "PNG", exif=TURNED.tobytes(), icc_profile=COLOURS),
    "PNG of a palette": saved(LARGE.convert("P"), "PNG"),
    "PNG of grey": saved(LARGE.convert("LA"), "PNG", icc_profile=_grey_profile(gamma=1.0)),
    "PNG of 16 bits of grey": saved(Image.fromarray(SIXTEEN_BITS[..., 0]), "PNG"),
    "PNG of 16 bits": cv2.imencode(".png", SIXTEEN_BITS)[1].tobytes(),
    "PNG of black and white": saved(LARGE.convert("1"), "PNG"),
    "WebP": saved(LARGE, "WEBP"),
    "WebP, lossless": saved(LARGE, "WEBP", lossless=True, quality=0),
    "WebP, turned": saved(LARGE.convert("RGBA"), "WEBP", exif=TURNED.tobytes(), icc_profile=COLOURS),
    "HEIC": saved(LARGE, "HEIF"),
    "HEIC, turned": saved(LARGE.convert("RGBA"), "HEIF", exif=TURNED.tobytes(), icc_profile=COLOURS),
    "TIFF": saved(LARGE, "TIFF"),
    "TIFF of 16 bits of grey": saved(Image.fromarray(SIXTEEN_BITS[..., 0]), "TIFF", compression="tiff_deflate"),
    "TIFF of 16 bits": cv2.imencode(".tiff", SIXTEEN_BITS)[1].tobytes(),
    "TIFF of CMYK": saved(LARGE.convert("CMYK"), "TIFF", exif=TURNED),
    "TIFF of Lab": saved(LARGE.convert("LAB"), "TIFF", compression="tiff_lzw"),
}


@pytest.fixture
def decoder() -> Iterator[pool.Decoder]:
    """Return a process of the test's own, outside the pool."""
    one = pool.Decoder()
    yield one
    one.end()


def kilobytes(decoder: pool.Decoder, what: str) -> int:
    status = Path(f"/proc/{decoder.process.pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0])


def test_the_table_has_every_format() -> None:
    assert {name.replace(",", "").split()[0] for name in WAYS} == {one.name for one in formats.FORMATS}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process took")
def test_no_format_takes_more_than_the_budget_of_its_pixels(decoder: pool.Decoder) -> None:
    decoder.ask(saved(PHOTO, "JPEG"))  # which loads what every file needs
    before = kilobytes(decoder, "VmSize")
    for name, data in WAYS.items():
        assert decoder.ask(data).size == 3 * LARGE.width * LARGE.height, name
        took = (kilobytes(decoder, "VmPeak") - before) * 1024 - len(data)
        # libheif takes some megabytes whatever the size; the budget of so small a picture would hide a pixel's share.
        assert took < decoding.BYTES_PER_PIXEL * LARGE.width * LARGE.height + 24 * 2**20, name
        assert kilobytes(decoder, "VmSize") - before < 48 * 1024, f"{name} stays in memory"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux has the limit")
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP", "HEIC", "TIFF"])
def test_the_kernel_refuses_what_is_over_the_budget(name: str) -> None:
    """Of whatever bomb the checks of headers do not know: here every picture is one, as the budget is too small."""
    script = (
        "from scoring.photograph import decoding;from scoring.photograph.decoder import process;"
        "decoding.FIXED_BYTES, decoding.BYTES_PER_PIXEL = 2**20, 1; process.main()"
    )
    poor = pool.Decoder(["-c", script])
    with pytest.raises((pool.RefusedError, pool.DecoderStopped), match=r"memory|damaged|signal|not a"):
        poor.ask(WAYS[name])
    poor.end()


def test_the_pixels_are_those_of_this_process_and_may_be_written_to() -> None:
    for name, data in WAYS.items():
        pixels = decoding.decode(data)
        assert np.array_equal(pixels, decoding.decode_here(data)), name
        pixels[0, 0] = 7
        assert pixels.flags.c_contiguous


def test_a_refusal_keeps_its_sentence_and_the_decoder() -> None:
    decoding.decode(WAYS["PNG"])
    (one,) = pool._idle[-1:]
    with pytest.raises(decoding.ImageError, match="damaged or cut short"):
        decoding.decode(WAYS["PNG"][:2000])
    assert pool._idle[-1] is one
    assert one.process.poll() is None


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_died_is_replaced(stop: signal.Signals) -> None:
    decoding.decode(WAYS["PNG"])
    one = pool._idle[-1]
    os.kill(one.process.pid, stop)
    one.process.wait()
    assert decoding.decode(WAYS["PNG"]).size


@pytest.mark.parametrize(("stop", "is_file_s_fault"), [(signal.SIGKILL, False), (signal.SIGSEGV, True)])
def test_a_file_is_refused_if_it_and_not_the_machine_stops_the_decoder(
    stop: signal.Signals, *, is_file_s_fault: bool
) -> None:
    """The decoder is halted, so that the signal meets it with the file in its hands."""
    decoding.decode(WAYS["PNG"])
    one = pool._idle[-1]
    os.kill(one.process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(decoding.decode, WAYS["PNG"])
        while one in pool._idle:
            threading.Event().wait(0.001)
        os.kill(one.process.pid, stop)
        os.kill(one.process.pid, signal.SIGCONT)
        if is_file_s_fault:
            with pytest.raises(decoding.ImageError, match="more memory or time"):
                asked.result()
        else:
            assert asked.result().size


def test_threads_get_their_own_photographs() -> None:
    sizes = [(100 + n, 80 + n) for n in range(24)]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda size: decoding.decode(saved(PHOTO.resize(size), "PNG")).shape[:2], sizes)
    assert list(found) == [(height, width) for width, height in sizes]


def test_a_decoder_ends_with_its_parent() -> None:
    one = pool.Decoder()
    one.ask(WAYS["PNG"])
    one.socket.close()
    assert one.process.wait(timeout=30) == 0


def test_a_forked_process_has_decoders_of_its_own() -> None:
    decoding.decode(WAYS["PNG"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # nothing but this may run in the child: pytest is in it too
        try:
            fine = not pool._idle and decoding.decode(WAYS["JPEG"]).size > 0
            os.write(writing, b"fine" if fine else b"wrong")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        assert answer.read() == b"fine"
    os.waitpid(child, 0)
    assert np.array_equal(decoding.decode(WAYS["PNG"]), decoding.decode_here(WAYS["PNG"]))
