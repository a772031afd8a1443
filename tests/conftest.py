"""The cast and the stage of every test: ana and ben read the study, cleo is a stranger, olga runs it."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client, TransactionTestCase
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker
from whitenoise.base import WhiteNoise
from whitenoise.middleware import WhiteNoiseMiddleware

from demo.selfies import make_selfies, read_severities
from labeler.models import Reader, Study, User
from tests import builders

# A busy machine fails no test by its clock, and every run tries the same.
hypothesis_settings.register_profile("ours", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("ours")

# What takes longest begins first, so that no process is alone with it at the end.
LONGEST = (
    "test_whole_loop.py",
    "faults/test_killed_jobs.py",
    "faults/test_import.py",
    "faults/",
    "test_load.py",
    "labeler/blinding_audit/",
    "test_who_may.py",
    "browser/",
    "training/",
    "demo/",
    "test_deploy.py",
    "scoring/service/",
)


@pytest.hookimpl(trylast=True)  # after pytest-django has put tests with real transactions behind the others
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order files for `--dist loadfile --no-loadscope-reorder`, which gives them out in this order."""

    def place(item: pytest.Item) -> int:
        path = str(item.path.relative_to(Path(__file__).parent))
        return next((number for number, prefix in enumerate(LONGEST) if path.startswith(prefix)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _static_files() -> Iterator[None]:
    """Pages name static files by their hash, as in production.

    WhiteNoise looks at every file when it starts, which it does for each test client. Here it looks once.
    """
    call_command("collectstatic", interactive=False, verbosity=0)
    whitenoise = WhiteNoiseMiddleware(settings=settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoise, "update_files_dictionary", lambda self, *_: self.files.update(whitenoise.files))
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Let the transaction around a test be idle while the test computes: the site's 30 seconds are not meant for it."""
    connection.settings_dict["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=0"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Delete the rows that a test committed: to truncate every table takes longer than most of these tests."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        (may_ignore_triggers,) = cursor.fetchone()
    with pytest.MonkeyPatch.context() as patch:
        if may_ignore_triggers:
            patch.setattr(TransactionTestCase, "_fixture_teardown", _delete_rows)
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        # A server's thread may still be at its last answer, and would keep the database from being dropped.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _delete_rows(_: TransactionTestCase) -> None:
    """Leave what `migrate` leaves: its content types and permissions."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    emptied = set(tables) - {"django_content_type", "auth_permission"}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in emptied))  # noqa: S608
        filled = [table for (table,) in cursor.fetchall()]
        # Neither foreign keys nor the triggers that keep the history from being deleted.
        cursor.execute("SET session_replication_role = replica")
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608  our own tables
        cursor.execute("RESET session_replication_role")


@pytest.fixture(scope="module")
def rows_of_module(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Keep the rows that other fixtures of this scope make until the module ends; a test rolls back what it changes.

    For modules without tests with real transactions: they would not see these rows, and wait for this transaction.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _own_files(settings: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("media")  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _quick_passwords(settings: object) -> None:
    """A million rounds of hashing guard a stolen database; here they would take half a second for each sign-in."""
    settings.PASSWORD_HASHERS = ["tests.quick_passwords.Hasher"]  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def selfies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of made selfies with their severities, which all processes of this test run share."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with (place / "selfies.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # This does nothing where another process has made them.
        make_selfies(folder=place / "selfies", count=builders.SELFIES, seed=builders.SELFIES_SEED)
    return place / "selfies"


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
