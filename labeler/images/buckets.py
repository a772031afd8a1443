"""Object storage as a source of photographs: the allowed places, and their contents."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from storages.backends.s3 import S3Storage

from labeler.images import zip_files

SCHEME = "s3"


class BucketError(ValueError):
    """Why a place can't be read, as a sentence for people."""


@dataclass(frozen=True)
class Place:
    """A bucket, and what the names of its files begin with, which is a folder or nothing."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read s3://bucket/folder. Raises BucketError."""
        parts = urlsplit(text.strip())
        if parts.scheme != SCHEME or not parts.netloc or parts.query or parts.fragment:
            raise BucketError(f"{text} is no place in object storage. Write it as s3://bucket/folder.")
        prefix = parts.path.strip("/")
        return cls(parts.netloc, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"{SCHEME}://{self.bucket}/{self.prefix}".rstrip("/")

    def holds(self, other: "Place") -> bool:
        return self.bucket == other.bucket and other.prefix.startswith(self.prefix)


def allowed() -> list[Place]:
    """Return the places that studies may be filled from."""
    return [Place.parse(text) for text in settings.INTAKE_PLACES]


def find(text: str) -> Place:
    """Return the place of that name. Raises BucketError where it is not at or below an allowed one.

    The server's credentials may open more than a study's admin should see.
    """
    place, places = Place.parse(text), allowed()
    if not any(one.holds(place) for one in places):
        known = ", ".join(map(str, places)) or "none yet: the operator lists them in INTAKE_PLACES"
        raise BucketError(f"{place} is not among the places that studies may be filled from ({known}).")
    return place


def names(place: Place) -> Iterator[str]:
    """Yield the names of all files at a place, without its own. Raises BucketError."""
    try:
        with _said_plainly(place):
            for found in _storage(place.bucket).bucket.objects.filter(Prefix=place.prefix):
                name = found.key.removeprefix(place.prefix)
                if name and not name.endswith("/") and not zip_files.is_hidden(name):  # a console makes empty "folders"
                    yield name
    except BotoCoreError as error:
        raise BucketError(f"The object storage can't be asked for {place}: {error}") from error


def read(place: Place, name: str) -> bytes:
    """Return a file, of which at most one byte more than a photograph may have. Raises BucketError.

    A storage that does not answer is not the file's fault: that is raised as it is, and the file is tried again.
    """
    # Asked for by its own name: S3Storage.open would take "a/../b" for "b", and fetch a film to its end.
    with _said_plainly(place), closing(_storage(place.bucket).bucket.Object(place.prefix + name).get()["Body"]) as body:
        data: bytes = body.read(settings.INTAKE_MAX_BYTES + 1)
    return data


@cache
def _storage(bucket: str) -> Any:
    return S3Storage(bucket_name=bucket, endpoint_url=settings.S3_ENDPOINT or None)


@contextmanager
def _said_plainly(place: Place) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        said = error.response.get("Error", {}).get("Code", "refused")
        if said == "NoSuchKey":
            raise BucketError("This file is not there any more.") from error
        raise BucketError(
            f"The object storage does not give {place} ({said}). Check the name and the rights."
        ) from error
