"""gunicorn's threaded worker with deadlines: its threads receive requests, send answers, and give up slow clients.

`gthread` itself waits for ever for a slow request, or for a client that does not take its answer.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

HEAD_SECONDS = 10.0  # until a request's head must be here
STEP_SECONDS = 30.0  # until the next part of a body comes, or of an answer is taken


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker class of web and scorer (labeler/server/supervisor.py)."""

    def init_process(self) -> None:
        self.reading: dict[Any, float] = {}  # connections that wait for a head -> its deadline
        super().init_process()

    def handle(self, conn: Any) -> Any:
        self.reading[conn] = time.monotonic() + HEAD_SECONDS
        try:
            return super().handle(conn)
        finally:
            self.reading.pop(conn, None)

    def handle_request(self, req: Any, conn: Any) -> Any:
        self.reading.pop(conn, None)
        conn.sock.settimeout(STEP_SECONDS)
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Gunicorn calls it every second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self.reading.items()):
            if now > until:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)
