"""Making things for tests, the shortest way that is still real."""

import hashlib
import io
import time
import zipfile
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from unittest.mock import patch

import numpy as np
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from PIL import Image as PillowImage

from labeler.accounts.sessions import SignIn
from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.images import preprocessing
from labeler.intake import importing, metadata, metadata_tables
from labeler.intake.metadata import Answers, JoinReport
from labeler.models import Image, Reader, Study, User
from labeler.studies import studies

SELFIES, SELFIES_SEED = 24, 7  # of the fixture `selfies`

_numbers = count(1)
prepare_once = cache(preprocessing.prepare)


def secret_of(slug: str) -> bytes:
    """Return a secret that is the same in every run of the tests, so that draws are."""
    return hashlib.sha256(f"in tests, secret 2 of {slug}".encode()).digest()


SECRET = secret_of("acne")


def make_user(username: str, *, password: str | None = None) -> User:
    return User.objects.create_user(username=username, password=password)


def sign_in(client: Client, user: User) -> Client:
    """Sign a user in as if they had just given their password."""
    client.force_login(user)
    session = client.session
    now = time.time()
    SignIn(began=now, seen=now, role_version=user.role_version, proven=now, asked=now).keep(session)
    session.save()
    return client


def make_zip(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return stream.getvalue()


def make_jpeg(seed: int, *, size: tuple[int, int] = (96, 128)) -> bytes:
    """Return a small JPEG of soft noise: no face, but every one differs."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    picture = PillowImage.fromarray(noise).resize(size, PillowImage.Resampling.BICUBIC)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def make_images(study: Study, number: int) -> list[Image]:
    """Add image rows whose files are not looked at."""
    return Image.objects.bulk_create(
        Image(
            study=study,
            content_hash=f"{next(_numbers):064x}",
            source_name=f"IMG_{n}.jpg",
            original=f"originals/{study.slug}-{n}",
            rendition=f"renditions/{study.slug}-{n}",
            width=96,
            height=128,
        )
        for n in range(number)
    )


def make_study(slug: str = "acne", *, readers: tuple[User, ...] = (), images: int = 0, golden_size: int = 0) -> Study:
    """Make a study; with images and a golden size it is drawn and dealt too."""
    study = studies.create(slug=slug, title=f"The {slug} study", seed=2019, secret=secret_of(slug))
    for user in readers:
        studies.add_reader(study=study, user=user)
    study.readers.update(accepted_at=timezone.now())  # as when each has opened their list
    make_images(study, images)
    if golden_size:
        golden_draw.draw(study=study, size=golden_size)
        folds.deal(study=study)
    study.refresh_from_db()
    return study


def import_photographs(study: Study, folder_bytes: dict[str, bytes], folder: Path) -> importing.ImportReport:
    """Import photographs from a folder; the same bytes are preprocessed once for all tests of a process."""
    for name, data in folder_bytes.items():
        (folder / name).write_bytes(data)
    with patch.object(preprocessing, "prepare", prepare_once):
        return importing.import_folder(study=study, folder=folder)


def join_metadata(study: Study, table: str | bytes, *, answers: Answers | None = None) -> JoinReport:
    """Join a table to a study's images, as if somebody had seen what it would write."""
    with NamedTemporaryFile() as file:
        file.write(table.encode() if isinstance(table, str) else table)
        file.flush()
        read = metadata_tables.read(Path(file.name))
        seen = metadata.preview(study=study, table=read, answers=answers).code
        return metadata.join(study=study, table=read, seen=seen, answers=answers)


def reader_of(user: User, study: Study) -> Reader:
    return Reader.objects.get(user=user, study=study)


def command_output(*arguments: str) -> str:
    """Return what a command of manage.py says."""
    said = io.StringIO()
    call_command(*arguments, stdout=said)
    return said.getvalue()
