"""The cast and the stage of every test: ana and ben read the study, cleo is a stranger, olga runs it."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from demo.selfies import make_selfies, read_severities
from labeler.models import Reader, Study, User
from tests import builders


@pytest.fixture(scope="session", autouse=True)
def _static_files() -> None:
    """Pages name static files by their hash, as in production."""
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Let the transaction around a test be idle while the test computes: the site's 30 seconds are not meant for it."""
    connection.settings_dict["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=0"


@pytest.fixture(autouse=True)
def _own_files(settings: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("media")  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: object) -> None:
    """A million rounds of hashing guard a stolen database; here they would take half a second for each sign-in."""
    settings.PASSWORD_HASHERS = ["tests.quick_passwords.Hasher"]  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def selfies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of made selfies with their severities."""
    folder = tmp_path_factory.mktemp("selfies")
    make_selfies(folder=folder, count=24, seed=7)
    return folder


@pytest.fixture(scope="session")
def selfie_bytes(selfies: Path) -> bytes:
    """Return one made selfie on which a face is found."""
    regular = next(made for made in read_severities(selfies) if made.kind == "regular")
    return (selfies / regular.file).read_bytes()


@pytest.fixture
def ana(db: None) -> User:
    return builders.make_user("ana")


@pytest.fixture
def ben(db: None) -> User:
    return builders.make_user("ben")


@pytest.fixture
def cleo(db: None) -> User:
    return builders.make_user("cleo")


@pytest.fixture
def dora(db: None) -> User:
    return builders.make_user("dora")


@pytest.fixture
def olga(db: None) -> User:
    return builders.make_user("olga")


@pytest.fixture
def study(ana: User, ben: User, olga: User) -> Study:
    """Return a dealt study: 3 golden images, and folds of 3 and 4 ordinary ones."""
    study = builders.make_study(readers=(ana, ben), images=10, golden_size=3)
    study.admins.add(olga)
    return study


@pytest.fixture
def reader(study: Study, ana: User) -> Reader:
    return builders.reader_of(ana, study)


@pytest.fixture
def as_ana(client: Client, ana: User) -> Client:
    return builders.sign_in(client, ana)


@pytest.fixture
def as_cleo(cleo: User) -> Client:
    return builders.sign_in(Client(), cleo)


@pytest.fixture
def as_olga(olga: User) -> Client:
    return builders.sign_in(Client(), olga)
