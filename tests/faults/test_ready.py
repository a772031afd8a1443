"""/readyz tells the truth while the servers behind a running web stop, hang and come back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests import processes
from tests.faults.conftest import Behind
from tests.faults.test_scorer import run


def eventually(ask: Callable[[], tuple[int, dict[str, str]]], is_so: Callable[[int, dict[str, str]], bool]) -> None:
    deadline = time.monotonic() + processes.PATIENCE
    while not is_so(*(answer := ask())):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)


def test_web_says_what_does_not_answer_and_recovers_by_itself(behind: Behind, tmp_path: Path) -> None:
    with run("web", tmp_path / "web.log", MEDIA_ROOT="/proc") as web:
        behind.signal_valkey(signal.SIGSTOP)
        status, said = web.get("/readyz")
        # Readers can go on without a queue, also one that hangs, and without files: told, and ready.
        assert (status, said["database"], said["migrations"]) == (200, "ok", "ok")
        assert said["queue"] == "has not answered yet"
        assert "can't be written" in said["storage"]
        behind.signal_valkey(signal.SIGCONT)
        behind.postgresql.stop()
        eventually(lambda: web.get("/readyz"), lambda status, _: status == 503)
        assert web.get("/readyz")[1]["database"] == "does not answer"
        assert web.get("/healthz")[0] == 200
        behind.postgresql.start()
        eventually(lambda: web.get("/readyz"), lambda status, said: (status, said["database"]) == (200, "ok"))
        assert web.get("/readyz")[1]["queue"] != "has not answered yet"


def test_web_is_ready_with_every_view_loaded_and_gives_up_what_hangs() -> None:
    asked = """
import sys
from labeler import wsgi
from django.db import connection
print("labeler.grading.views" in sys.modules and "training.reports.views" in sys.modules)
print({"scipy", "sklearn"} & sys.modules.keys())
with connection.cursor() as cursor:
    cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
    print(*cursor.fetchone())
"""
    environment = {name: value for name, value in os.environ.items() if name != "STATEMENT_SECONDS"}
    command = [sys.executable, "-W", "ignore", "-c", asked]
    said = subprocess.run(
        command, cwd=processes.REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[:3] == ["True", "set()", "2min 5s"]
