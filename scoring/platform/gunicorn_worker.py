"""gunicorn's threads as we use them: many, which carry requests in and answers out, and give up on who is too slow.

They cost little while they wait. `gthread` itself waits for a slow request, or a slow taker of an answer, for ever.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

HEAD_SECONDS = 10.0  # until a request's head must be here
STEP_SECONDS = 30.0  # until the next part of a body comes, or of an answer is taken


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker class that `manage.py run web` and `scorer` name."""

    def init_process(self) -> None:
        self.reading: dict[Any, float] = {}  # connections whose head is on its way -> when it must be here
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
