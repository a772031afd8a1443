"""Schemathesis makes up requests from the OpenAPI document, and holds every answer of a real server against it."""

import os
import subprocess
import sys
from pathlib import Path

from scoring.models import Scope
from tests import processes
from tests.scoring.builders import App, publish_one

HERE = Path(__file__).parent
EXAMPLES = "4"  # of each operation, beside the edge cases
MOST = "25"  # seconds


def test_no_answer_contradicts_the_document(transactional_db: None, tmp_path: Path) -> None:
    publish_one("acne")
    app = App(Scope.SCORE, Scope.BATCH, Scope.OVERLAY, Scope.STORE, per_minute=1_000_000)
    with processes.web(tmp_path / "web.log") as site:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"),
            *("--seed", "2019", "--max-examples", EXAMPLES, "--max-time", MOST, "--continue-on-failure"),
            *("--header", f"Authorization: Bearer {app.key}", f"{site.address}/api/v1/openapi.json"),
        ]
        hooks = {"SCHEMATHESIS_HOOKS": "tests.scoring.service.schemathesis_photographs", "PYTHONWARNINGS": "default"}
        ran = subprocess.run(
            command,
            env={**os.environ, **hooks},
            cwd=processes.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Operations:       8 selected" in ran.stdout
