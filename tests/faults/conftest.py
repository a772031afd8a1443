"""Somewhere for real servers to live."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that the servers' account may pass through, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="acne-faults-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
