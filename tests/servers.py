"""A pytest plugin (see addopts): real PostgreSQL and Valkey in a temporary folder, before Django reads its settings."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import pytest

from labeler.server import embedded

REPOSITORY = Path(__file__).resolve().parent.parent

# pytest-xdist's workers inherit what the process that starts them has named. Each has servers of its own, because tests
# stop them and empty the queue.
_OWN = "SERVERS_OF_TESTS"
for _variable in os.environ.get(_OWN, "").split():
    os.environ.pop(_variable, None)
os.environ[_OWN] = " ".join(name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name))

_folder = Path(tempfile.mkdtemp(prefix="acne-tests-"))
_folder.chmod(0o711)  # started by root, the servers run as an account that must pass through
_stack = ExitStack()
_stack.callback(shutil.rmtree, _folder, ignore_errors=True)

os.environ["VAR_DIR"] = str(_folder)
os.environ["SECRET_KEY"] = "a key for tests alone, long enough to pass every check of it"
# Weights and source photographs are fetched once per checkout, not once per test run.
os.environ.setdefault("WEIGHTS_DIR", str(REPOSITORY / "var" / "weights"))
os.environ.setdefault("FACES_DIR", str(REPOSITORY / "var" / "faces"))
os.environ["BEHIND_TLS"] = "0"
# Tests that run side by side (make test: three at a time) share the cores among them.
os.environ["OMP_NUM_THREADS"] = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
_stack.enter_context(embedded.servers(_folder))
if "DATABASE_URL" in os.environ[_OWN].split():
    # Killed processes lose nothing by this; a machine that loses power has no use for these data.
    with closing(psycopg2.connect(os.environ["DATABASE_URL"])) as _connection, _connection.cursor() as _cursor:
        _connection.autocommit = True
        for _setting in ("fsync", "full_page_writes"):
            _cursor.execute(f"ALTER SYSTEM SET {_setting} = off")
        _cursor.execute("SELECT pg_reload_conf()")


def pytest_unconfigure(config: pytest.Config) -> None:
    del config
    _stack.close()


def main() -> None:
    """Run a program that needs the settings, as mypy's Django plugin does: python -m tests.servers PROGRAM ..."""
    with _stack:
        status = subprocess.run([sys.executable, "-m", *sys.argv[1:]], check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
