"""Files in Django storage that are whole or absent: stored embeddings and regressors."""

from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage

from scoring.files import write_atomically


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


def erase(name: str) -> None:
    """Erasing what is gone already changes nothing."""
    default_storage.delete(name)


def names(folder: str) -> list[str]:
    """Return what lies directly in a folder; nothing where there is none."""
    try:
        _, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    return [f"{folder}/{file}" for file in files]
