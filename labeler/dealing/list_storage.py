"""Reading lists in the database, written by COPY, because a large study has millions of rows."""

import hashlib
import io
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from labeler.dealing.reading_lists import Flags, Whole
from labeler.models import Dealing, Reader

COLUMNS = "public_id, reader_id, image_id, position, is_repeat, dealing_id, version, is_done"


@dataclass(frozen=True)
class ReadingList:
    """What one reader is to grade, in order: image ids, (length,), and which places are second readings."""

    reader: Reader
    images: Whole
    is_second: Flags


def digest(lists: Iterable[ReadingList]) -> str:
    """Return a short hash of all lists: reader, images, order."""
    hashed = hashlib.sha256()
    for one in lists:
        hashed.update(one.reader.code.encode() + one.images.tobytes() + one.is_second.tobytes())
    return hashed.hexdigest()[:16]


def write(lists: Sequence[ReadingList], dealing: Dealing, *, on_list: Callable[[int, int], None] | None = None) -> None:
    """Store whole lists, from position 1. `on_list(done, total)` hears of progress."""
    for done, one in enumerate(lists, start=1):
        places = enumerate(zip(one.images.tolist(), one.is_second.tolist(), strict=True), start=1)
        _copy((one.reader.pk, image, place, is_second, dealing.pk) for place, (image, is_second) in places)
        if on_list:
            on_list(done, len(lists))


def insert(reader: Reader, images: Whole, positions: Whole, dealing: Dealing) -> None:
    """Store further images of a list at these positions, (n,) each."""
    rows = zip(images.tolist(), positions.tolist(), strict=True)
    _copy((reader.pk, image, position, False, dealing.pk) for image, position in rows)


def move(assignments: Whole, positions: Whole) -> None:
    """Put assignments at these positions, (n,) each, withdrawn ones too.

    Each gets another public id: one that a reader found out before tells neither what is new nor where a card went.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE labeler_assignment "
            "SET position = moved.position, withdrawn_in_id = NULL, public_id = gen_random_uuid() "
            "FROM unnest(%s::bigint[], %s::int[]) AS moved (id, position) WHERE labeler_assignment.id = moved.id",
            [assignments.tolist(), positions.tolist()],
        )


def _copy(rows: Iterable[tuple[Any, ...]]) -> None:
    text = "".join(
        f"{uuid.uuid4()}\t{reader}\t{image}\t{place}\t{is_second}\t{dealing}\t0\tfalse\n"
        for reader, image, place, is_second, dealing in rows
    )
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY labeler_assignment ({COLUMNS}) FROM STDIN", io.StringIO(text))
