"""A request to a WSGI application, and an application that answers when it is told to."""

import io
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 30  # seconds


class Call:
    """One request to a WSGI application, and what it answers."""

    def __init__(self, application: "WSGIApplication", **environ: Any) -> None:
        self.status, self.headers = "", dict[str, str]()
        self.environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO(), **environ}
        answer = application(self.environ, self._begin)
        self.body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()

    def _begin(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        assert exc_info is None
        self.status, self.headers = status, dict(headers)
        return str  # WSGI's imperative way to write, which nobody uses


class Slow:
    """A WSGI application that answers `/` when it is told to and the rest at once; it remembers who worked at it."""

    def __init__(self) -> None:
        self.inside, self.go_on, self.workers = threading.Semaphore(0), threading.Event(), set[int]()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self.workers.add(threading.get_ident())
        self.inside.release()
        if environ["PATH_INFO"] == "/":
            assert self.go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]
