"""What a WebP file reveals besides its picture: chunks and encoder settings. [core]

Containers: RFC 9649. The frame header of lossy pictures: RFC 6386, sections 7 and 9.
"""

import struct
from dataclasses import dataclass

PICTURE_CHUNKS = frozenset({"VP8 ", "VP8L", "VP8X", "ALPH"})
FRAME_TAG = 10  # bytes before the first partition of a key frame: tag, start code, width and height
SEGMENTS = 4


@dataclass(frozen=True)
class Chunk:
    """A part of the file: its four letters and the bytes in it."""

    name: str
    data: bytes


def chunks(data: bytes) -> list[Chunk]:
    """Return the chunks in their order; none where the bytes are no WebP file. One cut short ends the list."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return []
    found, start = [], 12
    while start + 8 <= len(data):
        size = struct.unpack_from("<I", data, start + 4)[0]
        found.append(Chunk(data[start : start + 4].decode("latin-1"), data[start + 8 : start + 8 + size]))
        start += 8 + size + size % 2
    return found


@dataclass(frozen=True)
class Lossy:
    """How a lossy picture was encoded: numbers of the encoder's choosing, not of the picture's content."""

    profile: int  # bitstream version, 0 to 3
    filter_level: int  # 0 to 63
    sharpness: int  # 0 to 7
    partitions: int  # logarithm to base 2
    quantizer: int  # base index, 0 finest to 127 coarsest
    segments: tuple[int, ...]  # the quantizer of each segment, or what is added to the base


def lossy(data: bytes) -> Lossy | None:
    """Return how the picture was encoded; None for another kind of file, or one too short to tell."""
    frame = next((chunk.data for chunk in chunks(data) if chunk.name == "VP8 "), b"")
    if len(frame) < FRAME_TAG + 2:
        return None
    bits = _Bits(frame[FRAME_TAG:])
    bits.number(2)  # colour space and clamping
    segments = _segments(bits) if bits.flag() else ()
    bits.flag()  # simple or normal filter
    level, sharpness = bits.number(6), bits.number(3)
    _skip_filter_deltas(bits)
    return Lossy(frame[0] >> 1 & 7, level, sharpness, bits.number(2), bits.number(7), segments)


def _segments(bits: "_Bits") -> tuple[int, ...]:
    has_map, has_values = bits.flag(), bits.flag()
    quantizers: tuple[int, ...] = ()
    if has_values:
        bits.flag()  # absolute values or differences
        quantizers = tuple(bits.optional(7, signed=True) for _ in range(SEGMENTS))
        for _ in range(SEGMENTS):
            bits.optional(6, signed=True)  # filter levels
    if has_map:
        for _ in range(SEGMENTS - 1):
            bits.optional(8, signed=False)  # probabilities
    return quantizers


def _skip_filter_deltas(bits: "_Bits") -> None:
    if bits.flag() and bits.flag():
        for _ in range(2 * SEGMENTS):
            bits.optional(6, signed=True)


class _Bits:
    """The arithmetic decoder of RFC 6386, section 7.3, for bits that are as often 0 as 1."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 2
        self.value = int.from_bytes(data[:2])
        self.range = 255
        self.shifted = 0

    def flag(self) -> bool:
        split = 1 + ((self.range - 1) >> 1)
        is_set = self.value >= split << 8
        if is_set:
            self.range -= split
            self.value -= split << 8
        else:
            self.range = split
        while self.range < 128:
            self._shift()
        return is_set

    def _shift(self) -> None:
        self.value <<= 1
        self.range <<= 1
        self.shifted += 1
        if self.shifted == 8:
            self.shifted = 0
            if self.place < len(self.data):
                self.value |= self.data[self.place]
            self.place += 1

    def number(self, width: int) -> int:
        total = 0
        for _ in range(width):
            total = total << 1 | self.flag()
        return total

    def optional(self, width: int, *, signed: bool) -> int:
        """Return a number that is only there behind a set flag; else 0."""
        if not self.flag():
            return 0
        size = self.number(width)
        return -size if signed and self.flag() else size
