"""The benchmark of load works: a few real readers of locust's, for seconds, and all that was acknowledged is there."""

import os
import subprocess
import sys

from benchmarks import stage


def test_a_small_crowd_grades_and_nothing_is_lost() -> None:
    """In a process of its own, on servers of its own, as `make bench NAME=grading.load` runs it."""
    without = {"DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY"}
    environment = {name: value for name, value in os.environ.items() if name not in without}
    small = ["--readers", "3", "--fewer", "3", "--seconds", "2", "--rounds", "1", "--think", "0.2", "--images", "30"]
    command = [sys.executable, "-m", "benchmarks.grading.load", *small, "--alone", "--times", "--warm-up", "1"]
    ran = subprocess.run(command, cwd=stage.REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "lost, doubled or changed: 0" in ran.stdout
    assert "acknowledged by us: 0" not in ran.stdout
    assert "refused: none; still in outboxes two minutes after the end: 0" in ran.stdout
