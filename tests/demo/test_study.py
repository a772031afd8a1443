"""The demo study's accounts: its own, never another study's."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from demo import study as demo
from labeler.images import preprocessing
from labeler.models import Study, User
from labeler.studies import studies
from tests import builders

SELFIES, ATLAS_SELFIES = 8, 3


@pytest.fixture(scope="module")
def made_selfies(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder in which a first demo study, which is gone, has left the selfies it made."""
    folder = tmp_path_factory.mktemp("var")
    with (
        django_db_blocker.unblock(),
        transaction.atomic(),
        override_settings(VAR_DIR=folder, MEDIA_ROOT=folder / "media"),
        patch.object(preprocessing, "prepare", builders.prepare_once),
        patch.object(demo, "ATLAS_SELFIES", ATLAS_SELFIES),
    ):
        make()
        transaction.set_rollback(True)
    (folder / "demo" / "accounts.json").unlink()
    return folder / "demo"


@pytest.fixture(autouse=True)
def _own_var(settings: object, tmp_path: Path, made_selfies: Path) -> Iterator[None]:
    """Begin with the selfies at hand: these tests are about what is made of them."""
    settings.VAR_DIR = tmp_path  # type: ignore[attr-defined]
    shutil.copytree(made_selfies, tmp_path / "demo")
    with (
        patch.object(preprocessing, "prepare", builders.prepare_once),
        patch.object(demo, "ATLAS_SELFIES", ATLAS_SELFIES),
    ):
        yield


def make() -> Study:
    said: list[str] = []
    return demo.make(count=SELFIES, say=said.append)


def counts(study: Study) -> tuple[int, int, int]:
    labels = sum(reader.assignments.filter(is_done=True).count() for reader in study.readers.all())
    return study.images.count(), study.readers.count(), labels


def test_making_the_study_again_changes_nothing(db: None) -> None:
    study, accounts = make(), demo.accounts()
    before = counts(study)
    assert before[:2] == (8, 11)
    assert counts(make()) == before
    assert demo.accounts() == accounts


def test_ten_readers_have_finished_and_the_eleventh_has_not_begun(db: None) -> None:
    study = make()
    waiting = {reader.code: reader.assignments.filter(is_done=False).count() for reader in study.readers.all()}
    assert waiting.pop("R11") >= 2  # the golden images
    assert set(waiting.values()) == {0}
    assert study.is_simulated


def test_the_accounts_sign_in_and_nobody_else_reads_their_passwords(db: None, tmp_path: Path) -> None:
    make()
    for account in demo.accounts():
        assert User.objects.get(username=account.username).check_password(account.password)
    assert stat.S_IMODE((tmp_path / "demo" / "accounts.json").stat().st_mode) == 0o600
    assert not any(user.has_usable_password() for user in User.objects.filter(readerships__is_simulated=True))


def test_somebody_elses_admin_keeps_their_password(db: None) -> None:
    stranger = builders.make_user("admin")
    before = stranger.password
    with pytest.raises(studies.StudyError, match="a database of its own"):
        make()
    stranger.refresh_from_db()
    assert stranger.password == before
    assert not stranger.is_superuser
    assert not Study.objects.exists()
