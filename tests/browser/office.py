"""A folder as a practice has it: a subfolder for each patient, copies, what cameras and systems leave, and a table."""

import io
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from openpyxl import Workbook
from PIL import Image as PillowImage
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from scoring.photograph.decoding import MAX_SELFIE_BYTES

FOLDER = "Hautklinik Süd"
# The patients' folders, as three people have named them. macOS has stored the second one decomposed.
PATIENTS = ("Müller, Änne", unicodedata.normalize("NFD", "Zoë Größ"), "Patient 3", "0004", "Łukasz & Söhne")
HEADINGS = ("Dateiname", "Patient", "Alter", "Einwilligung", "Einwilligungsdatum", "Bemerkung")
DNG_VERSION, SUB_IFDS = 50706, 330  # tags by which a camera's raw file is known


def encoded(picture: PillowImage.Image, suffix: str) -> bytes:
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "heic": "HEIF", "tif": "TIFF"}[suffix.lower()]
    stream = io.BytesIO()
    picture.save(stream, kind, **({} if kind in {"PNG", "TIFF"} else {"quality": 90}))
    return stream.getvalue()


def raw_of(picture: PillowImage.Image) -> bytes:
    """Return a camera's raw file as far as its head goes: a TIFF of a small preview that says what it is."""
    tags = ImageFileDirectory_v2()
    tags[DNG_VERSION] = b"\x01\x04\x00\x00"
    stream = io.BytesIO()
    picture.resize((160, 120)).save(stream, "TIFF", tiffinfo=tags)
    return stream.getvalue()


def crops(photographs: Sequence[PillowImage.Image], number: int) -> list[PillowImage.Image]:
    """Return so many photographs, each another part of one of these, as if taken one after the other."""
    made = []
    for place in range(number):
        whole, turn = photographs[place % len(photographs)], place // len(photographs)
        cut = 0.02 * turn
        box = (whole.width * cut, whole.height * cut / 2, whole.width * (1 - cut / 3), whole.height * (1 - cut))
        part = whole.crop(box)
        part.thumbnail((480, 480))
        made.append(part)
    return made


def files(photographs: Sequence[PillowImage.Image], number: int) -> dict[str, bytes]:
    """Return path -> bytes of a folder with so many photographs, and of what is none."""
    suffixes = ("jpg", "JPG", "jpeg", "png", "heic", "webp", "tif")
    found: dict[str, bytes] = {}
    taken = crops(photographs, number)
    for place, picture in enumerate(taken):
        patient, turn = PATIENTS[place % len(PATIENTS)], place // len(PATIENTS)
        suffix = suffixes[(place + turn) % len(suffixes)]
        found[f"{patient}/IMG_{turn + 1:04}.{suffix}"] = encoded(picture, suffix)
    first = next(iter(found))
    mueller, zoe, third, fourth, sons = PATIENTS
    found |= {
        f"{mueller}/Kopie von {first.rpartition('/')[2]}": found[first],
        f"Auswahl/{first.rpartition('/')[2]}": found[first],
        f"{third}/Gesicht – vorne.jpg": encoded(taken[0].rotate(5), "jpg"),
        f"{zoe}/IMG_0001.nef": raw_of(taken[1]),
        f"{zoe}/klein.jpg": encoded(taken[1].resize((40, 50)), "jpg"),
        f"{fourth}/leer.jpg": b"",
        f"{fourth}/IMG_0001.mov": b"\0\0\0\x14ftypqt  " + bytes(200),
        f"{sons}/Befund.txt": b"Papeln, Stirn",
        f"{sons}/abgebrochen.jpg": found[first][:400],
        f"{third}/viel zu groß.jpg": b"\xff\xd8" + bytes(MAX_SELFIE_BYTES),
        f"{mueller}/Thumbs.db": b"\xd0\xcf\x11\xe0",
        ".DS_Store": b"\0\0\0\1Bud1",
        f"{mueller}/._IMG_0001.jpg": b"\0\5\x16\7",
        "Nachtrag.zip": _zip({f"{third}\\Nachtrag ä.jpg": encoded(taken[1].rotate(3), "jpg"), "__MACOSX/._x": b"x"}),
        "kaputt.zip": b"PK\3\4 no more",
    }
    return found


def _zip(contents: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return stream.getvalue()


def rows(found: Mapping[str, bytes]) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table: names as people type them, one patient who refuses, and rows that fit no file."""
    codes = dict(zip(PATIENTS, ("P-1", "P-2", "P-3", "0004", "P-5"), strict=True))
    day = date(2026, 5, 31)
    for place, path in enumerate(found):
        folder, _, base = path.rpartition("/")
        if folder not in codes or not base.startswith(("IMG", "Kopie", "Gesicht")):
            continue
        name = unicodedata.normalize("NFC", path)
        spelled = (name, name.replace("/", "\\"), f"D:\\Fotos\\{FOLDER}\\{name}".replace("/", "\\"), name.upper())[
            place % 4
        ]
        code = codes[folder] if place % 6 else f" {codes[folder]}\u00a0"
        agrees = {PATIENTS[1]: "nein", PATIENTS[4]: "grading; training"}.get(folder, "ja")
        yield spelled, code, 20.5 + len(folder), agrees, day if place % 2 else "31.05.2026", "ö, „ruhig“"
    yield "IMG_0001.jpg", "P-3", None, "ja", day, "welcher?"  # of several
    yield f"{PATIENTS[2]}/fehlt.jpg", "P-3", None, "grading, training", day, None
    yield f"{PATIENTS[3]}/IMG_0001.mov", "4", None, "ja", day, "Film"  # a spreadsheet took the zeros


def write(folder: Path, photographs: Sequence[PillowImage.Image], number: int) -> tuple[Path, Path]:
    """Write the folder and its table; return the folder in which its own lies, and the table."""
    found = files(photographs, number)
    for path, data in found.items():
        place = folder / "Fotos" / FOLDER / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    book = Workbook()
    book.active.title = "Deckblatt"
    book.active.append(["Akne-Studie 2026, Stand Mai"])
    sheet = book.create_sheet("Fotos")
    sheet.append(["Liste der Aufnahmen"])
    sheet.append([])
    sheet.append(list(HEADINGS))
    for row in rows(found):
        sheet.append(list(row))
    book.save(folder / "Liste Müller.xlsx")
    return folder / "Fotos", folder / "Liste Müller.xlsx"
