"""Each way in which a format states its colours ends in sRGB, by formulae that are written here, or in a sentence."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from scoring.photograph import decoding
from tests.scoring.photograph.test_decoding import _grey_profile, _swapped_primaries_profile, saved
from tests.scoring.photograph.test_whole_files import png_with

SKIN = (200, 120, 90)
PLAIN = Image.new("RGB", (80, 80), SKIN)
D50, D65 = np.array((0.9642, 1, 0.8249)), np.array((0.3127 / 0.3290, 1, 0.3583 / 0.3290))
XYZ_TO_SRGB = np.array([(3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570)])
# ITU-R BT.2087: linear BT.2020 to linear BT.709.
FROM_2020 = np.array([(1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)])
FROM_P3 = np.array([(1.2249, -0.2247, 0), (-0.0420, 1.0419, 0), (-0.0197, -0.0786, 1.0979)])  # CSS Color 4


def encoded(light: np.ndarray) -> tuple[int, ...]:
    light = np.clip(light, 0, 1)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return tuple(int(value) for value in np.round(255 * signal))


def decoded(colour: tuple[int, ...], exponent: float | None = None) -> np.ndarray:
    signal = np.array(colour) / 255
    if exponent:
        return np.asarray(signal**exponent)
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def of_lab(lightness: float, a: float, b: float) -> tuple[int, ...]:
    """CIE 15, from D50 to D65 by Bradford."""
    f = np.array((lightness + 16, lightness + 16, lightness + 16)) / 116 + np.array((a / 500, 0, -b / 200))
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    bradford = np.array([(0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)])
    adapted = np.linalg.solve(bradford, (bradford @ D65) / (bradford @ D50) * (bradford @ xyz))
    return encoded(XYZ_TO_SRGB @ adapted)


def tiff(picture: Image.Image = PLAIN, **tags: object) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        number = int(name.removeprefix("tag"))
        directory.tagtype[number] = 3 if number == 301 else 5
        directory[number] = value
    return saved(picture, "TIFF", tiffinfo=directory)


def power(exponent: float) -> list[int]:
    return [round(65535 * (value / 255) ** exponent) for value in range(256)]


def with_gamma(exponent: float) -> bytes:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA500: TiffImagePlugin.IFDRational(round(100 * exponent), 100)}
    return saved(PLAIN, "JPEG", quality=100, subsampling=0, exif=exif.tobytes())


def heic(primaries: int, transfer: int, *, matrix: int = 1, full: int = 1) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(PLAIN).save(
        stream,
        quality=-1,
        chroma=444,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=matrix,
        full_range_flag=full,
    )
    return stream.getvalue()


def profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """Return an ICC profile of these tags."""
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12x4s", 128 + len(table + body), b"test", 0x02100000, kind, space, connection, b"acsp"
    )
    return (head + bytes(28) + struct.pack(">3i", *(round(65536 * n) for n in D50))).ljust(128, b"\0") + table + body


def of_inks() -> bytes:
    """Return a profile of four inks: each combination of all or nothing has a Lab colour of its own."""
    corners = [LAB_OF_INKS.get(node, (100 - node * 100 / 15, 0, 0)) for node in range(16)]
    grid = bytes(round(v) for lab in corners for v in (lab[0] * 2.55, lab[1] + 128, lab[2] + 128))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramps = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramps * 4 + grid + ramps * 3
    return profile(b"CMYK", {b"desc": text(b"inks"), b"wtpt": xyz(*D50), b"A2B0": lut}, b"Lab ", b"prtr")


def text(words: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + bytes(80)


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * value) for value in values))


def linear_srgb(name: bytes, **more: bytes) -> bytes:
    """Return sRGB's primaries, adapted to D50, with light as it is."""
    line = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = {b"desc": text(name), b"wtpt": xyz(*D50), b"rTRC": line, b"gTRC": line, b"bTRC": line}
    tags |= {
        b"rXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"gXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
    }
    return profile(b"RGB ", tags | {key.encode(): value for key, value in more.items()})


LAB_OF_INKS = {0: (100, 0, 0), 6: (50, 60, 40)}  # C M Y K as bits, the first the highest: 6 is magenta and yellow
RED_INKS = Image.new("CMYK", (80, 80), (0, 255, 255, 0))
LINEAR = encoded(np.array(SKIN) / 255)
CONVERTED = {
    "TIFF, TransferFunction of one curve": (tiff(tag301=power(1.8)), encoded(decoded(SKIN, 1.8))),
    "TIFF, TransferFunction of three": (
        tiff(tag301=[*power(1.0), *power(1.8), *power(2.6)]),
        tuple(encoded(decoded(SKIN, exponent))[n] for n, exponent in enumerate((1.0, 1.8, 2.6))),
    ),
    "TIFF of grey, TransferFunction": (
        tiff(Image.new("L", (80, 80), 128), tag301=power(1.0)),
        encoded(np.full(3, 128 / 255)),
    ),
    "TIFF, primaries of P3": (
        tiff(tag318=(0.3127, 0.3290), tag319=(0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
        encoded(FROM_P3 @ decoded(SKIN)),
    ),
    "TIFF, WhitePoint alone": (tiff(tag318=(0.3127, 0.3290)), SKIN),
    "TIFF of Lab": (saved(Image.new("LAB", (80, 80), (140, 158, 148)), "TIFF"), of_lab(140 / 2.55, 30, 20)),
    "JPEG, EXIF of gamma 1.8": (with_gamma(1.8), encoded(decoded(SKIN, 1.8))),
    "JPEG, EXIF of gamma 2.2": (with_gamma(2.2), SKIN),
    "PNG of grey, linear gAMA": (
        png_with(b"gAMA", struct.pack(">I", 100000), Image.new("L", (80, 80), 128)),
        encoded(np.full(3, 128 / 255)),
    ),
    "PNG, cICP of BT.2020": (png_with(b"cICP", bytes([9, 13, 0, 1]), PLAIN), encoded(FROM_2020 @ decoded(SKIN))),
    "PNG, cICP before a profile": (
        png_with(b"cICP", bytes([1, 13, 0, 1]), PLAIN, icc_profile=_swapped_primaries_profile()),
        SKIN,
    ),
    "HEIC, nclx of BT.2020": (heic(9, 14, matrix=9), encoded(FROM_2020 @ decoded(SKIN))),
    "HEIC, nclx of P3, video's range": (heic(12, 13, full=0), encoded(FROM_P3 @ decoded(SKIN))),
    "HEIC, nclx of sRGB, video's range": (heic(1, 13, full=0), SKIN),
    "profile named sRGB that is linear": (saved(PLAIN, "PNG", icc_profile=linear_srgb(b"sRGB linear")), LINEAR),
    "WebP, profile": (saved(PLAIN, "WEBP", lossless=True, icc_profile=linear_srgb(b"x")), LINEAR),
    "HEIC, profile": (saved(PLAIN, "HEIF", quality=-1, icc_profile=linear_srgb(b"x")), LINEAR),
    "grey with a profile of RGB": (
        saved(Image.new("L", (80, 80), 128), "PNG", icc_profile=linear_srgb(b"x")),
        encoded(np.full(3, 128 / 255)),
    ),
    "JPEG of inks, profile": (saved(RED_INKS, "JPEG", quality=100, icc_profile=of_inks()), of_lab(50, 60, 40)),
    "TIFF of inks, profile": (saved(RED_INKS, "TIFF", icc_profile=of_inks()), of_lab(50, 60, 40)),
    # Browsers show inks that have no profile so too.
    "JPEG of inks": (saved(Image.new("CMYK", (80, 80), (0, 102, 153, 51)), "JPEG", quality=100), (204, 122, 82)),
    "TIFF of inks": (saved(Image.new("CMYK", (80, 80), (0, 102, 153, 51)), "TIFF"), (204, 122, 82)),
    # What can't be a profile of these pixels is ignored, as by every program.
    "profile of grey on RGB": (saved(PLAIN, "PNG", icc_profile=_grey_profile(gamma=1.0)), SKIN),
    "profile of inks on RGB": (saved(PLAIN, "PNG", icc_profile=of_inks()), SKIN),
    "profile cut short": (saved(PLAIN, "PNG", icc_profile=linear_srgb(b"x")[:140]), SKIN),
    "profile of nothing": (saved(PLAIN, "PNG", icc_profile=bytes(200)), SKIN),
    "profile that links two others": (saved(PLAIN, "PNG", icc_profile=profile(b"RGB ", {}, b"RGB ", b"link")), SKIN),
    "gain map over an ordinary picture": (
        saved(PLAIN, "JPEG", quality=100, xmp=b'<x hdrgm:Version="1.0" hdrgm:BaseRenditionIsHDR="False"/>'),
        SKIN,
    ),
}


@pytest.mark.parametrize(("data", "colour"), CONVERTED.values(), ids=CONVERTED)
def test_colours_become_srgb(data: bytes, colour: tuple[int, ...]) -> None:
    found = decoding.decode(data)[40, 40].astype(int)
    assert np.abs(found - colour).max() <= 3, (found, colour)


def test_inks_that_adobe_codes_as_brightness_are_those_inks() -> None:
    """YCCK: as YCbCr of what the first three leave over, after Adobe's note on DCT filters."""
    data = saved(Image.new("CMYK", (80, 80), (30, 60, 90, 40)), "JPEG", quality=100, subsampling=0)
    stored = 255 - np.array((30, 60, 90))
    y, cb, cr = stored.astype(float)
    rgb = np.array((y + 1.402 * (cr - 128), y - 0.344 * (cb - 128) - 0.714 * (cr - 128), y + 1.772 * (cb - 128)))
    adobe = data.index(b"Adobe")
    coded = data[: adobe + 11] + b"\2" + data[adobe + 12 :]
    # What is stored for cyan is 255 - red of that YCbCr, and inks are stored upside down.
    expected = np.clip(rgb, 0, 255) * (255 - 40) / 255
    found = decoding.decode(coded)[40, 40].astype(int)
    assert np.abs(found - (255 - 40 - expected)).max() <= 3 or np.abs(found - expected).max() <= 3, (found, expected)


PQ = struct.pack(">4s4x4B", b"cicp", 9, 16, 0, 1)
REFUSED = {
    "HEIC, PQ": (heic(9, 16, matrix=9), "HDR"),
    "HEIC, HLG": (heic(9, 18, matrix=9), "HDR"),
    "HEIC, primaries of no light": (heic(10, 13), "can't be read"),
    "profile with the code points of PQ": (saved(PLAIN, "PNG", icc_profile=linear_srgb(b"x", cicp=PQ)), "HDR"),
    "gain map that makes an HDR picture darker": (
        saved(PLAIN, "JPEG", xmp=b'<x hdrgm:Version="1.0" hdrgm:BaseRenditionIsHDR="True"/>'),
        "HDR",
    ),
    "PNG, cICP in video's range": (png_with(b"cICP", bytes([1, 13, 0, 0]), PLAIN), "can't be read"),
    "PNG, cICP of YCbCr": (png_with(b"cICP", bytes([1, 13, 1, 1]), PLAIN), "can't be read"),
    "TIFF of floats": (saved(PLAIN.convert("F"), "TIFF"), "not colours"),
    "TIFF of 32 bits": (saved(Image.new("I", (80, 80), 70000), "TIFF"), "not colours|can't be read"),
    "TIFF of YCbCr, not compressed": (saved(PLAIN.convert("YCbCr"), "TIFF"), "can't be read as colours"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED)
def test_colours_that_cannot_be_had_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(decoding.ImageError, match=sentence):
        decoding.decode(data)


def test_the_profile_of_srgb_changes_nothing() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 80, 3), dtype=np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decoding.decode(saved(noise, "PNG", icc_profile=srgb)), np.asarray(noise))
