"""Colours that a file states otherwise than by an ICC profile: made into one, so that there is one road to sRGB. [core]

Read: the nclx box of HEIC and the cICP chunk of PNG (code points of ITU-T H.273), PNG's gAMA and cHRM, and of any
format EXIF's ColorSpace, interoperability index, Gamma, WhitePoint, PrimaryChromaticities and TransferFunction (TIFF
has the last three as tags). HDR is known by these, by an ICC profile's code points, and by what is said of a gain map.
"""

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]  # a signal from 0 to 1 -> light from 0 to 1

D65 = (0.3127, 0.3290)
BT709 = (D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))  # white, red, green, blue as x, y; those of sRGB
ADOBE = (D65, (0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
# H.273, table 2. 2 is "unspecified": sRGB, as everywhere.
PRIMARIES: Mapping[int, Sequence[tuple[float, float]]] = {
    1: BT709,
    2: BT709,
    4: ((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: ((0.310, 0.316), (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
BRADFORD = np.array([(0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)])
D50 = np.array((0.9642, 1.0, 0.8249))
NEAR = 0.002  # of x and y: encoders round them
NEAR_GAMMA = 0.01  # of 1/2.2: that is how old programs write sRGB
CURVE_POINTS = 1024
WHITE_POINT, CHROMATICITIES, TRANSFER_FUNCTION, COLOR_SPACE, GAMMA = 318, 319, 301, 0xA001, 0xA500  # tags of EXIF
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error)
HDR = "This photograph is in HDR colours (PQ or HLG). Export it as an ordinary JPEG or HEIC."
HDR_TRANSFERS = {16, 18}  # of H.273
GAIN_MAP_OF_HDR = re.compile(rb"BaseRenditionIsHDR\s*(=\s*[\"']|>)\s*True", re.IGNORECASE)
TABLE_SIZES = {2**8, 2**16}  # of a TransferFunction, for each colour
UNKNOWN = "This photograph's colours are stated in a way that can't be read. Export it as a JPEG in sRGB."


class ColourError(ValueError):
    """Why a file's colours can't be had, as a sentence for people."""


def _srgb(signal: Floats) -> Floats:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _power(exponent: float) -> Curve:
    return lambda signal: signal**exponent


# H.273, table 3. The camera curves of BT.709 and its kin are shown by everyone as sRGB's.
CURVES: Mapping[int, Curve] = {
    **dict.fromkeys((1, 2, 6, 7, 11, 12, 13, 14, 15), _srgb),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    17: _power(2.6),
}


def _table(light: Sequence[float]) -> Curve:
    """Return the curve of a TransferFunction: light, to 65,535, for each value that a pixel may have."""
    points = np.array(light) / 65535
    return lambda signal: np.interp(signal, np.linspace(0, 1, len(points)), points)


@dataclass(frozen=True)
class Stated:
    """The colours of a file: primaries as x, y of white, red, green, blue, and the curves from signal to light."""

    primaries: Sequence[tuple[float, float]] = BT709
    curves: tuple[Curve, Curve, Curve] = (_srgb, _srgb, _srgb)

    @classmethod
    def of(cls, primaries: Sequence[tuple[float, float]], curve: Curve) -> "Stated":
        return cls(primaries, (curve, curve, curve))

    @property
    def is_srgb(self) -> bool:
        return {*self.curves} == {_srgb} and np.allclose(self.primaries, BT709, atol=NEAR)


def profile(picture: Image.Image, data: bytes) -> bytes | None:
    """Return the ICC profile of a picture's colours, its own or one made of what it states; None where it is sRGB.

    Raises ColourError for HDR, whose brightness no still photograph in sRGB has, and for code points that are unknown.
    """
    codes = _code_points(picture, data)
    embedded: bytes | None = picture.info.get("icc_profile")
    if _says_hdr(embedded or b"", picture.info.get("xmp")):
        raise ColourError(HDR)
    if codes is not None and (picture.format == "PNG" or not embedded):  # in PNG cICP comes first, in HEIC the profile
        return _made(_of_codes(*codes))
    if embedded:
        return embedded
    stated = _of_png(picture)
    if stated is None:
        with suppress(*UNREADABLE):  # EXIF that can't be read says nothing about the picture
            stated = _of_exif(picture)
    return _made(stated or Stated())


def _made(stated: Stated) -> bytes | None:
    return None if stated.is_srgb else _matrix_profile(stated)


def _says_hdr(profile: bytes, xmp: object) -> bool:
    """Whether an ICC profile's cicp tag names PQ or HLG, or a gain map makes the picture darker and not brighter."""
    if isinstance(xmp, bytes) and GAIN_MAP_OF_HDR.search(xmp):
        return True
    for place in range(132, min(len(profile), 132 + 12 * 100) - 11, 12):
        name, offset = struct.unpack_from(">4sI", profile, place)
        if name == b"cicp":
            return profile[offset + 9 : offset + 10] in {bytes((code,)) for code in HDR_TRANSFERS}
    return False


def _code_points(picture: Image.Image, data: bytes) -> tuple[int, int] | None:
    """Return the primaries and the transfer characteristics as numbers of H.273."""
    if picture.format == "PNG":
        chunk = _png_chunk(data, b"cICP")
        if chunk is None or len(chunk) != 4:
            return None
        if chunk[2] != 0 or chunk[3] != 1:  # another matrix than RGB's, or video's range
            raise ColourError(UNKNOWN)
        return chunk[0], chunk[1]
    nclx = picture.info.get("nclx_profile")
    return (int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])) if nclx else None


def _of_codes(primaries: int, transfer: int) -> Stated:
    if transfer in HDR_TRANSFERS:
        raise ColourError(HDR)
    if primaries not in PRIMARIES or transfer not in CURVES:
        raise ColourError(UNKNOWN)
    return Stated.of(PRIMARIES[primaries], CURVES[transfer])


def _png_chunk(data: bytes, name: bytes) -> bytes | None:
    """Return the content of a chunk before the picture's own."""
    position = 8
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            return None
        if kind == name:
            return data[position + 8 : position + 8 + size]
        position += 12 + size
    return None


def _of_png(picture: Image.Image) -> Stated | None:
    if picture.format != "PNG":
        return None
    if "srgb" in picture.info:
        return Stated()
    gamma, points = picture.info.get("gamma"), picture.info.get("chromaticity")
    if not gamma and not points:
        return None
    primaries = _pairs(points) or BT709
    if not gamma or abs(gamma - 1 / 2.2) < NEAR_GAMMA:
        return Stated(primaries)
    if not 0.1 <= gamma <= 2:
        raise ColourError(UNKNOWN)
    return Stated.of(primaries, _power(1 / gamma))


def _of_exif(picture: Image.Image) -> Stated | None:
    exif = picture.getexif()
    white, primaries = _numbers(exif.get(WHITE_POINT)), _numbers(exif.get(CHROMATICITIES))
    details: Mapping[int, Any] = exif.get_ifd(ExifTags.IFD.Exif)
    index = exif.get_ifd(ExifTags.IFD.Interop).get(1) if details else None
    if details.get(COLOR_SPACE) == 2 or index == "R03":
        return Stated.of(ADOBE, _power(563 / 256))
    if details.get(COLOR_SPACE) == 1:
        return Stated()
    points = _pairs([*(white or D65), *(primaries or np.ravel(BT709[1:]))])
    return Stated(points or BT709, _curves(_numbers(exif.get(TRANSFER_FUNCTION)), details.get(GAMMA)))


def _curves(table: Sequence[float], gamma: object) -> tuple[Curve, Curve, Curve]:
    """Return the curves of a TransferFunction, one for each colour or for all, or else of a Gamma, or sRGB's."""
    third, rest = divmod(len(table), 3)
    if not rest and third in TABLE_SIZES:
        return _table(table[:third]), _table(table[third : 2 * third]), _table(table[2 * third :])
    if len(table) in TABLE_SIZES:
        return (_table(table),) * 3
    exponent = next(iter(_numbers([gamma])), 0)
    curve = _power(exponent) if 0.5 <= exponent <= 4 and abs(exponent - 2.2) > 0.1 else _srgb
    return curve, curve, curve


def _numbers(value: object) -> list[float]:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        return [float(number) for number in value]  # type: ignore[attr-defined]  # what is no list is caught
    return []


def _pairs(numbers: Sequence[float] | None) -> Sequence[tuple[float, float]] | None:
    """Return x, y of white, red, green and blue, where they are those of real lights that span a triangle."""
    if not numbers or len(numbers) != 8:
        return None
    pairs = [(float(numbers[n]), float(numbers[n + 1])) for n in range(0, 8, 2)]
    lights = np.array([(x, y, 1.0) for x, y in pairs[1:]])
    if not all(0 <= x < 1 and 0 < y <= 1 for x, y in pairs) or abs(np.linalg.det(lights)) < 0.01:
        return None
    return pairs


def _matrix_profile(stated: Stated) -> bytes:
    """Write an ICC profile (version 2, display, three lights and their curves)."""
    white, *lights = (np.array((x / y, 1.0, (1 - x - y) / y)) for x, y in stated.primaries)
    matrix = np.stack(lights, axis=1)  # columns: XYZ of red, green, blue
    matrix = matrix * np.linalg.solve(matrix, white)
    adapt = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ white)) @ BRADFORD
    red, green, blue = (adapt @ matrix).T
    tags = {b"wtpt": _xyz(D50), b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    for name, curve in zip((b"rTRC", b"gTRC", b"bTRC"), stated.curves, strict=True):
        light = np.round(curve(np.linspace(0, 1, CURVE_POINTS)) * 65535).astype(">u2").tobytes()
        tags[name] = b"curv" + struct.pack(">II", 0, CURVE_POINTS) + light
    table, body = b"", b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content
    size = 128 + 4 + len(table) + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp").ljust(68, b"\0")
    header += _fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))
