"""Readers grade on the release before while this version's `migrate` runs and takes its place: they lose nothing."""

import os
import subprocess
import sys
import tomllib

import pytest

from tests.processes import REPOSITORY

REVISION = tomllib.loads((REPOSITORY / "deploy" / "previous-release.toml").read_text())["revision"]
OURS = {"DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY"}  # of the tests' own servers; it starts others


def has_history() -> bool:
    command = ["git", "-C", str(REPOSITORY), "cat-file", "-e", f"{REVISION}^{{commit}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.timeout(600)
@pytest.mark.skipif(not has_history(), reason=f"git has no {REVISION} here; tests/test_migrations.py is left")
def test_readers_lose_nothing_while_the_release_before_is_replaced() -> None:
    rehearsal = subprocess.run(
        [sys.executable, "-m", "benchmarks.reliability.upgrade", "--labels", "20", "--think", "0.2"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name not in OURS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert rehearsal.returncode == 0, rehearsal.stdout + rehearsal.stderr
    assert "acknowledged and lost: 0\nduplicated: 0\n" in rehearsal.stdout
