"""Every file a stranger may send is either upright sRGB pixels or one clear sentence."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from scoring.photograph import decoding, formats

RNG = np.random.default_rng(2019)
PHOTO = Image.fromarray(RNG.integers(0, 256, (10, 8, 3), dtype=np.uint8)).resize((160, 200), Image.Resampling.BICUBIC)


def saved(picture: Image.Image, file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def png_claiming(width: int, height: int, *, extra: bytes = b"") -> bytes:
    """Return a PNG whose header claims a size that its data do not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + body + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    data = b"Comment\x00\x00" + zlib.compress(bytes(64 * 2**20))
    return struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))


@pytest.mark.parametrize("file_format", formats.BY_PILLOW)
def test_a_photograph_becomes_rgb_bytes(file_format: str) -> None:
    pixels = decoding.decode(saved(PHOTO, file_format, quality=95))
    assert pixels.shape == (200, 160, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(PHOTO)).mean() < 6


JPEG = saved(PHOTO, "JPEG")
REFUSED = {
    "text": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG, PNG, WebP, HEIC or TIFF"),
    "gif": (saved(PHOTO, "GIF"), "not a JPEG, PNG, WebP, HEIC or TIFF"),
    "TIFF of several pages": (saved(PHOTO, "TIFF", save_all=True, append_images=[PHOTO]), "several pages"),
    "TIFF of measurements": (saved(PHOTO.convert("F"), "TIFF"), "not colours"),
    "truncated HEIC": (saved(PHOTO, "HEIF")[:1500], "damaged or cut short"),
    "empty": (b"", "empty"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "damaged or cut short"),
    "truncated PNG": (saved(PHOTO, "PNG")[:2000], "damaged or cut short"),
    "truncated WebP": (saved(PHOTO, "WEBP")[:1000], "damaged or cut short"),
    "header only": (JPEG[:20], "not a JPEG, PNG, WebP, HEIC or TIFF"),
    "pixel flood": (png_claiming(50_000, 50_000), "more than 65 million pixels"),
    "pixels just over": (png_claiming(65_000_001 // 1000 + 1, 1000), "more than 65 million pixels"),
    "pixels between Pillow's limits": (png_claiming(10_000, 10_000), "more than 65 million pixels"),
    "text bomb": (png_claiming(100, 100, extra=text_bomb()), "damaged or cut short"),
    "tiny": (saved(PHOTO.resize((63, 100)), "PNG"), "63 x 100 pixels"),
    "animated WebP": (saved(PHOTO, "WEBP", save_all=True, append_images=[PHOTO.rotate(90)]), "animated"),
    "animated PNG": (saved(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(180)]), "animated"),
    "too many bytes": (JPEG + bytes(decoding.MAX_SELFIE_BYTES), "larger than 20 MB"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_hostile_file_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(decoding.ImageError, match=sentence):
        decoding.decode(data)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_no_damage_ends_in_anything_but_pixels_or_a_refusal(file_format: str) -> None:
    whole = saved(PHOTO, file_format)
    rng = np.random.default_rng(7)
    refusals = 0
    for _ in range(300):
        data = bytearray(whole)
        for position in rng.integers(0, len(data), 12):
            data[position] = rng.integers(0, 256)
        try:
            assert decoding.decode(bytes(data)).shape[2] == 3
        except decoding.ImageError:
            refusals += 1
    assert refusals > 0


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    ramp = np.linspace(0, 65_535, 100 * 100).reshape(100, 100).astype(np.uint16)
    pixels = decoding.decode(saved(Image.fromarray(ramp), "PNG"))
    assert np.array_equal(pixels[..., 0], (ramp >> 8).astype(np.uint8))


def test_cmyk_comes_out_in_its_colours() -> None:
    pixels = decoding.decode(saved(Image.new("CMYK", (80, 80), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = pixels.mean((0, 1))
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("mode", ["P", "L", "1", "LA", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert decoding.decode(saved(PHOTO.convert(mode), "PNG")).shape == (200, 160, 3)


def test_transparency_is_laid_on_white() -> None:
    pixels = decoding.decode(saved(Image.new("RGBA", (80, 80), (200, 0, 0, 0)), "PNG"))
    assert (pixels == 255).all()


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    picture = Image.new("P", (80, 80), 3)
    picture.putpalette([0, 0, 0] * 256)
    assert (decoding.decode(saved(picture, "PNG", transparency=3)) == 255).all()


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_a_turned_camera_gives_an_upright_picture(orientation: int, corner: tuple[int, int]) -> None:
    picture = Image.new("RGB", (100, 200), "black")
    picture.paste("white", (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoding.decode(saved(picture, "JPEG", exif=exif, quality=95))
    assert pixels.shape[:2] == ((200, 100) if orientation in {1, 3} else (100, 200))
    assert pixels[corner].mean() > 240


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow says so, and we carry on
def test_unreadable_exif_does_not_cost_the_picture() -> None:
    assert decoding.decode(saved(PHOTO, "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")).shape == (200, 160, 3)


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB"), ("TIFF", "RGB"), ("WEBP", "RGB"), ("HEIF", "RGB")],
)
def test_a_colour_profile_is_converted_to_srgb(file_format: str, mode: str) -> None:
    picture = Image.new("RGB", (80, 80), (200, 30, 30)).convert(mode)
    data = saved(picture, file_format, icc_profile=_swapped_primaries_profile())
    red, green, _ = decoding.decode(data)[0, 0]
    assert green > 150 > red


@pytest.mark.parametrize(("mode", "dark"), [("L", 64), ("LA", (64, 255)), ("I;16", 64 * 257)])
def test_a_grey_profile_is_converted_to_srgb(mode: str, dark: int | tuple[int, int]) -> None:
    lighter = decoding.decode(saved(Image.new(mode, (80, 80), dark), "PNG", icc_profile=_grey_profile(gamma=1.0)))
    assert lighter[0, 0, 0] > 120


def test_sixteen_bit_colours_keep_their_brightness() -> None:
    bgr = np.full((80, 80, 3), (50 * 257, 100 * 257, 200 * 257), np.uint16)
    for suffix in (".tiff", ".png"):
        pixels = decoding.decode(cv2.imencode(suffix, bgr)[1].tobytes())
        assert np.abs(pixels[0, 0].astype(int) - (200, 100, 50)).max() <= 1


def test_a_broken_colour_profile_does_not_cost_the_picture() -> None:
    pixels = decoding.decode(saved(PHOTO, "PNG", icc_profile=_swapped_primaries_profile()[:100]))
    assert np.array_equal(pixels, np.asarray(PHOTO))


def _grey_profile(*, gamma: float) -> bytes:
    """Return the smallest profile (ICC.1, version 2) of a grey whose lightness is its value to a power."""

    def fixed(*numbers: float) -> bytes:
        return struct.pack(f">{len(numbers)}i", *(round(number * 65_536) for number in numbers))

    white = (0.9642, 1.0, 0.8249)  # D50
    name = b"grey of a test\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(79),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(*white),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)),
    }
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI12s12x4s", 128 + len(table + body), b"test", 0x02100000, b"mntrGRAYXYZ ", b"acsp")
    return (head + bytes(28) + fixed(*white)).ljust(128, b"\0") + table + body


def _swapped_primaries_profile() -> bytes:
    """Return sRGB's profile with its red and green primaries exchanged and another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


def test_a_rendition_is_small_and_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    pixels = decoding.decode(saved(PHOTO.resize((900, 1200)), "JPEG", exif=exif))
    with Image.open(io.BytesIO(decoding.render(pixels, long_side=600))) as rendition:
        assert rendition.format == "WEBP"
        assert rendition.size == (450, 600)
        assert not {"exif", "icc_profile", "xmp"} & rendition.info.keys()


def test_a_rendition_is_never_enlarged() -> None:
    with Image.open(io.BytesIO(decoding.render(np.asarray(PHOTO), long_side=1600))) as rendition:
        assert rendition.size == PHOTO.size


def test_pixels_are_decoded_once_and_only_when_asked_for() -> None:
    reads = []
    selfie = decoding.Selfie("0" * 64, lambda: reads.append(1) or JPEG)  # type: ignore[func-returns-value]
    assert not reads
    assert selfie.pixels is selfie.pixels
    assert len(reads) == 1


TO_SIDE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "HEIF", "WEBP"])
@pytest.mark.parametrize("orientation", TO_SIDE)
def test_every_format_is_turned_upright(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation  # how the camera was held
    lying = PHOTO.transpose(TO_SIDE[orientation])
    pixels = decoding.decode(saved(lying, file_format, exif=exif.tobytes()))
    assert pixels.shape == (200, 160, 3)
    assert np.abs(pixels.astype(int) - np.asarray(PHOTO)).mean() < 12
