"""`manage.py serve` runs everything, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from labeler.server import supervisor

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def serve(folder: Path) -> Iterator[subprocess.Popen[str]]:
    own = {"VAR_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"],
        cwd=REPOSITORY,
        env=inherited | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.terminate()
    process.communicate()


def address_in(process: subprocess.Popen[str]) -> str:
    """Read the log until the address is announced, which happens when the site answers."""
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"\s+(http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))


def still_running(folder: Path) -> list[str]:
    listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if str(folder) in line]


def test_ctrl_c_stops_everything_and_is_no_failure(serve: subprocess.Popen[str], folder: Path) -> None:
    address = address_in(serve)
    with urlopen(f"{address}accounts/login/") as page:  # noqa: S310  our own loopback address
        assert b"Sign in" in page.read()
    assert still_running(folder)
    serve.send_signal(signal.SIGINT)
    output, _ = serve.communicate(timeout=60)
    assert serve.returncode == 0, output
    assert not still_running(folder)


def test_a_process_that_dies_ends_the_others_and_says_so(serve: subprocess.Popen[str], folder: Path) -> None:
    address_in(serve)
    beat = subprocess.run(["pgrep", "-f", "labeler beat"], capture_output=True, text=True, check=True)
    ours = [pid for pid in map(int, beat.stdout.split()) if belongs_to(pid, folder)]
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
    output, _ = serve.communicate(timeout=60)
    assert serve.returncode != 0
    assert "A process ended by itself" in output
    assert not still_running(folder)


def belongs_to(pid: int, folder: Path) -> bool:
    return str(folder).encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_taken_port_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(supervisor.PortTakenError, match=rf"Port {port} is taken.*such as {port + 1}"):
            supervisor.choose_port("127.0.0.1", port)
        assert supervisor.choose_port("127.0.0.1", None) != port
