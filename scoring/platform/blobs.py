"""Files in Django storage that are either whole or absent: stored embeddings and regressors."""

import errno
from datetime import timedelta
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone

from scoring.weights.atomic_files import write_atomically

WRITTEN_WITHIN = timedelta(hours=1)


class StorageError(RuntimeError):
    """The storage did something else than it was asked to, as a sentence for people."""


def write(name: str, data: bytes) -> None:
    """Store `data` under exactly this name, replacing what is there; readers see the old or the new, never a part."""
    storage = default_storage
    if isinstance(storage, FileSystemStorage):
        path = Path(storage.path(name))
        for folder in reversed(path.parents):  # mkdir(parents=True) would give the mode to the last one only
            folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(path, data, mode=0o600)  # what is derived from a face is as private as the face
        return
    stored = storage.save(name, ContentFile(data))  # an object store's PUT is atomic
    if stored != name:
        storage.delete(stored)
        raise StorageError(f"The storage renamed {name} to {stored}. Set file_overwrite in its options.")


def read(name: str) -> bytes:
    """Raises FileNotFoundError (as every storage does) when there is none."""
    with default_storage.open(name) as file:
        data: bytes = file.read()
    return data


def folders(name: str) -> list[str]:
    """Return the names of the folders in this one, which need not exist."""
    return sorted(_listing(name)[0])


def files(name: str) -> list[str]:
    """Return the names of the files in this folder, which need not exist; a hidden one is being written, or was."""
    return sorted(_listing(name)[1])


def was_abandoned(name: str) -> bool:
    """Whether a worker began to write this hidden file and was lost."""
    try:
        return timezone.now() - default_storage.get_modified_time(name) > WRITTEN_WITHIN
    except FileNotFoundError:  # it has its real name by now
        return False


def erase(name: str) -> None:
    """Delete a file, or a folder that is empty. It need not exist."""
    try:
        default_storage.delete(name)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:  # a worker wrote into the folder just now
            raise


def _listing(name: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(name)
    except FileNotFoundError:
        return [], []
