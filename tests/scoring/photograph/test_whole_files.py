"""Files that hold more, or less, than the picture they show, and files that state their colours in other ways."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, TiffImagePlugin

from scoring.photograph import colours, decoding
from tests.scoring.photograph.test_decoding import PHOTO, saved

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (203, 163, 3), dtype=np.uint8))
WHITE_BELOW = Image.fromarray(np.vstack([np.asarray(NOISE)[:100], np.full((103, 163, 3), 255, np.uint8)]))


STRONG_RED = Image.new("RGB", (80, 80), (200, 60, 40))


def tiff(**tags: object) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        directory[int(name.removeprefix("tag"))] = value
    return saved(PHOTO, "TIFF", tiffinfo=directory)


RAW = {
    "SubIFDs": tiff(tag330=8),
    "DNGVersion": tiff(tag50706=b"\1\4\0\0"),
    "a reduced picture": tiff(tag254=1),
    "a mask": tiff(tag254=4),
    "a reduced picture, told the old way": tiff(tag255=2),
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_a_camera_s_raw_file_is_refused(data: bytes) -> None:
    with pytest.raises(decoding.ImageError, match="raw file"):
        decoding.decode(data)


def tiled(side: int) -> bytes:
    """A grey TIFF of 80 x 80 pixels in one compressed tile of `side` x `side`."""
    tile = zlib.compress(bytes(side * 16))
    tags = {256: 80, 257: 80, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<2sHI", b"II", 42, 8 + len(tile)) + tile + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_tile_far_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(decoding.ImageError, match="tiles far larger"):
        decoding.decode(tiled(46336))


@pytest.mark.parametrize("picture", [NOISE, WHITE_BELOW, PHOTO], ids=["noise", "white below", "photograph"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"optimize": True}], ids=["4:2:0", "4:4:4", "optimised"])
def test_a_jpeg_without_its_end_marker_is_taken(picture: Image.Image, options: dict[str, object]) -> None:
    whole = saved(picture, "JPEG", quality=90, **options)
    assert (decoding.decode(whole[:-2]) == decoding.decode(whole)).all()


@pytest.mark.parametrize("ended", [b"", b"\xff\xd9"], ids=["as cut", "with an end marker"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("size", [(163, 203), (160, 200), (161, 193), (168, 210)])
def test_a_jpeg_with_missing_rows_is_refused(size: tuple[int, int], share: float, ended: bytes) -> None:
    whole = saved(NOISE.resize(size), "JPEG", quality=90)
    start = whole.index(b"\xff\xda")
    with pytest.raises(decoding.ImageError, match="cut short"):
        decoding.decode(whole[: start + int(share * (len(whole) - start))] + ended)


def png_with(name: bytes, content: bytes, picture: Image.Image = STRONG_RED, **options: object) -> bytes:
    """A PNG with a chunk that says what its colours are."""
    plain = saved(picture, "PNG", **options)
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return plain[:33] + chunk + plain[33:]


def with_exif(file_format: str, *, color_space: int, index: str = "") -> bytes:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: color_space} | ({0xA005: {1: index}} if index else {})
    options = {"lossless": True} if file_format == "WEBP" else {}
    return saved(Image.new("RGB", (80, 80), (200, 60, 40)), file_format, exif=exif.tobytes(), **options)


def heic(primaries: int, transfer: int) -> bytes:
    file = pillow_heif.from_pillow(Image.new("RGB", (80, 80), (200, 60, 40)))
    out = io.BytesIO()
    file.save(out, quality=-1, color_primaries=primaries, transfer_characteristics=transfer, matrix_coefficients=1)
    return out.getvalue()


def chrm(points: object) -> bytes:
    return struct.pack(">8I", *(round(100000 * number) for pair in points for number in pair))  # type: ignore[attr-defined]


def converted(matrix: list[list[float]], light: np.ndarray) -> tuple[int, ...]:
    """Light of other primaries in sRGB's numbers, by a published matrix."""
    srgb = np.clip(np.array(matrix) @ light, 0, 1)
    signal = np.where(srgb <= 0.0031308, 12.92 * srgb, 1.055 * srgb ** (1 / 2.4) - 0.055)
    return tuple(int(value) for value in np.round(255 * signal))


RED = np.array((200, 60, 40)) / 255
# The matrices of CSS Color 4 (P3 to sRGB) and of Adobe RGB (1998) to sRGB, both of D65.
P3 = converted([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]], ((RED + 0.055) / 1.055) ** 2.4)
ADOBE = converted([[1.3984, -0.3984, 0], [0, 1, 0], [0, -0.0429, 1.0429]], RED ** (563 / 256))
SAME = (200, 60, 40)
STATED = {
    "PNG, cICP of P3": (png_with(b"cICP", bytes([12, 13, 0, 1])), P3),
    "PNG, cICP of sRGB": (png_with(b"cICP", bytes([1, 13, 0, 1])), SAME),
    "PNG, cHRM of P3": (png_with(b"cHRM", chrm(colours.PRIMARIES[12])), P3),
    "PNG, cHRM of sRGB": (png_with(b"cHRM", chrm(colours.BT709)), SAME),
    "PNG, cHRM of no light": (png_with(b"cHRM", bytes(32)), SAME),
    "PNG, gAMA of 1/2.2": (png_with(b"gAMA", struct.pack(">I", 45455)), SAME),
    "PNG, linear gAMA": (png_with(b"gAMA", struct.pack(">I", 100000)), (228, 132, 110)),
    "PNG, sRGB": (png_with(b"sRGB", b"\0"), SAME),
    "HEIC, nclx of P3": (heic(12, 13), P3),
    "HEIC, nclx of sRGB": (heic(1, 13), SAME),
    "JPEG, EXIF of Adobe RGB": (with_exif("JPEG", color_space=2), ADOBE),
    "JPEG, EXIF of sRGB": (with_exif("JPEG", color_space=1), SAME),
    "WebP, EXIF of Adobe RGB": (with_exif("WEBP", color_space=2), ADOBE),
    "PNG, EXIF of Adobe RGB": (with_exif("PNG", color_space=2), ADOBE),
    "TIFF, primaries of P3": (
        tiff(tag318=colours.D65, tag319=[n for pair in colours.PRIMARIES[12][1:] for n in pair]),
        None,
    ),
}


@pytest.mark.parametrize(("data", "colour"), STATED.values(), ids=STATED)
def test_stated_colours_are_converted(data: bytes, colour: tuple[int, int, int] | None) -> None:
    pixels = decoding.decode(data)
    if colour is None:
        assert np.abs(pixels.astype(int) - np.asarray(PHOTO)).max() > 8
    else:
        assert np.abs(pixels[40, 40].astype(int) - colour).max() <= 2, pixels[40, 40]


HDR = {
    "HEIC, PQ": heic(9, 16),
    "HEIC, HLG": heic(9, 18),
    "PNG, PQ": png_with(b"cICP", bytes([9, 16, 0, 1])),
    "PNG, HLG": png_with(b"cICP", bytes([9, 18, 0, 1])),
}


@pytest.mark.parametrize("data", HDR.values(), ids=HDR)
def test_hdr_colours_are_refused(data: bytes) -> None:
    with pytest.raises(decoding.ImageError, match="HDR"):
        decoding.decode(data)


def test_a_sixteen_bit_tiff_whose_zero_is_white_keeps_its_brightness() -> None:
    ramp = np.linspace(0, 65535, 80 * 80).reshape(80, 80).astype(np.uint16)
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    data = bytearray(saved(Image.fromarray(ramp), "TIFF", tiffinfo=directory))
    entry = data.index(struct.pack("<HHI", 262, 3, 1))  # PhotometricInterpretation
    data[entry + 8 : entry + 10] = b"\0\0"
    pixels = decoding.decode(bytes(data))
    assert pixels[0, 0, 0] == 255
    assert pixels[-1, -1, 0] == 0


def test_lab_is_converted() -> None:
    pixels = decoding.decode(saved(Image.new("LAB", (80, 80), (128, 128, 128)), "TIFF"))
    assert np.ptp(pixels[40, 40].astype(int)) < 12


OTHER = Image.new("RGB", (96, 64), (10, 200, 30))
SEVERAL = {
    "HEIC whose main picture is its second": saved(
        OTHER, "HEIF", save_all=True, append_images=[PHOTO], primary_index=1
    ),
    "HEIC with a burst behind": saved(PHOTO, "HEIF", save_all=True, append_images=[OTHER, OTHER], primary_index=0),
    "JPEG with a second view": saved(PHOTO, "MPO", save_all=True, append_images=[OTHER]),
    "JPEG with another behind its end": saved(PHOTO, "JPEG") + saved(OTHER, "JPEG"),
}


@pytest.mark.parametrize("data", SEVERAL.values(), ids=SEVERAL)
def test_of_several_pictures_the_main_one_is_taken(data: bytes) -> None:
    pixels = decoding.decode(data)
    assert pixels.shape == (200, 160, 3)
    assert np.abs(pixels.astype(int) - np.asarray(PHOTO)).mean() < 12


def test_a_small_picture_before_a_larger_is_no_photograph() -> None:
    with pytest.raises(decoding.ImageError, match="several pages"):
        decoding.decode(
            saved(PHOTO.resize((80, 100)), "TIFF", save_all=True, append_images=[PHOTO.resize((800, 1000))])
        )
