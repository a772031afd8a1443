"""What Sentry is told of an error: its kind and its place in the code, and nothing that was at work."""

import gzip
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import brotli

# The library packs with brotli where that is installed, as it is beside locust, and with gzip elsewhere.
UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress}

FAILS_AT_WORK = """
import psycopg2
import sentry_sdk
from django.db import OperationalError
from scoring.photograph import decoding
from scoring.platform import error_reports
error_reports.begin({dsn!r}, release="1.0")
sentry_sdk.set_user({{"username": "ana.alvarez"}})
sentry_sdk.add_breadcrumb(message="opened anna_smith.jpg")
face = b"FACE-BYTES" * 100
try:
    try:
        decoding.decode(face)
    except decoding.ImageError as error:
        raise RuntimeError("anna_smith.jpg could not be read") from error
except RuntimeError:
    sentry_sdk.capture_exception()
try:
    try:
        raise psycopg2.OperationalError("connection refused")
    except psycopg2.OperationalError as error:
        raise OperationalError from error
except OperationalError:
    sentry_sdk.capture_exception()  # for each request: it is known
sentry_sdk.flush(10)
"""


class Sentry(BaseHTTPRequestHandler):
    """Takes what the library sends."""

    taken: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append(UNPACK[self.headers["Content-Encoding"]](body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_an_error_is_told_without_faces_names_or_words_and_a_database_that_is_away_is_not() -> None:
    with HTTPServer(("127.0.0.1", 0), Sentry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        code = FAILS_AT_WORK.format(dsn=f"http://key@127.0.0.1:{server.server_port}/1")
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        server.shutdown()
    sent = b"".join(Sentry.taken)
    (event,) = [json.loads(line) for line in sent.splitlines() if b'"exception"' in line]
    assert [one["type"] for one in event["exception"]["values"]][-1] == "RuntimeError"
    assert any(
        frame["function"] == "decode" for one in event["exception"]["values"] for frame in one["stacktrace"]["frames"]
    )
    for private in (b"FACE-BYTES", b"anna_smith", b"ana.alvarez"):
        assert private not in sent
