"""Tables that wait for a person to have seen what they would write. They lie with the uploads, which are swept."""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core import signing
from django.core.files.uploadedfile import UploadedFile

from labeler.intake import uploads
from labeler.models import Study, User
from labeler.platform.spreadsheets import TableError

SALT = "labeler.intake.waiting_tables"


def keep(file: "UploadedFile[Any]", *, study: Study, by: User) -> tuple[str, Path]:
    """Keep a table for an hour; return the ticket with which this person finds it for this study, and its place."""
    name = secrets.token_hex(16)
    path = uploads.stored_at(name)
    with path.open("xb") as kept:
        kept.writelines(file.chunks())
    return signing.dumps([study.pk, by.pk, name], salt=SALT), path


def find(ticket: str, *, study: Study, by: User) -> Path:
    """Return the table of a ticket. Raises TableError where it is another's, forged, or not kept any more."""
    with suppress(signing.BadSignature):
        of_study, of_user, name = signing.loads(ticket, salt=SALT, max_age=uploads.ORPHANED_AFTER)
        path = uploads.stored_at(name)
        if (of_study, of_user) == (study.pk, by.pk) and path.exists():
            return path
    raise TableError("This table is not kept any more. Choose it again.")
