"""What systems put beside photographs is told from what people did, in one place."""

import pytest

from labeler.images import zip_files


@pytest.mark.parametrize(
    "name",
    [
        "._IMG_1.jpg",
        "a/.DS_Store",
        "Thumbs.db",
        "a/THUMBS.DB",
        "a\\Thumbs.db",
        "desktop.ini",
        "__MACOSX/a/b.jpg",
        "@eaDir/IMG_1.jpg/SYNO.jpg",
        "$RECYCLE.BIN/a.jpg",
        "a/.git/b",
    ],
)
def test_a_system_s_files_are_hidden(name: str) -> None:
    assert zip_files.is_hidden(name)


@pytest.mark.parametrize("name", ["IMG_1.jpg", "../IMG_1.jpg", "a/thumbs.jpg", "a.b/c.jpg"])
def test_a_person_s_files_are_not(name: str) -> None:
    assert not zip_files.is_hidden(name)
