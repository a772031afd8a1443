"""A server that means harm, on a loopback address of its own."""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

NETWORK = ip_network("127.0.0.1/32")  # where it is; 127.0.0.2 and all else stay forbidden
Reply = Callable[[socket.socket], None]

OK = b"HTTP/1.1 200 OK\r\n"
JPEG = b"Content-Type: image/jpeg\r\n"


def says(data: bytes) -> Reply:
    return lambda connection: connection.sendall(data)


def whole(body: bytes, headers: bytes = JPEG, status: bytes = OK) -> Reply:
    return says(status + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def redirect(to: str) -> Reply:
    return says(b"HTTP/1.1 302 Found\r\nLocation: " + to.encode() + b"\r\nContent-Length: 0\r\n\r\n")


def drips(head: bytes, piece: bytes) -> Reply:
    """Send a little for ever, so that no single read ever times out."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.settimeout(0.05)
        while True:
            connection.sendall(piece)
            with suppress(TimeoutError):
                if not connection.recv(1):
                    return

    return drip


def endless(connection: socket.socket) -> None:
    connection.sendall(OK + JPEG + b"\r\n")
    while True:
        connection.sendall(bytes(2**16))


REPLIES: dict[str, Reply] = {
    "/photo": whole(b"a photograph"),
    "/unnamed": whole(b"a photograph", b""),
    "/page": whole(b"<p>", b"Content-Type: text/html\r\n"),
    "/missing": whole(b"", status=b"HTTP/1.1 404 Not Found\r\n"),
    "/gzip": whole(gzip.compress(bytes(2**20)), JPEG + b"Content-Encoding: gzip\r\n"),
    "/large": says(OK + JPEG + b"Content-Length: 99999999999\r\n\r\n"),
    "/endless": endless,
    "/endless-chunks": drips(OK + JPEG + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(2**16) + b"\r\n"),
    "/short": says(OK + JPEG + b"Content-Length: 100\r\n\r\nonly this"),
    "/short-chunk": says(OK + JPEG + b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this"),
    "/drips-body": drips(OK + JPEG + b"Content-Length: 1000\r\n\r\n", b"x"),
    "/drips-headers": drips(OK, b"X-Drop: 1\r\n"),
    "/drips-status": drips(b"HTTP/1.1 ", b"2"),
    "/continues": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "/headers": says(OK + b"X-Many: 1\r\n" * 500 + b"\r\n"),
    "/nonsense": says(b"\x00\xff" * 500 + b"\r\n\r\n"),
    "/silent": says(b""),
    "/ssh": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "/round": redirect("/round"),
    "/to-photo": redirect("/photo"),
    "/nowhere": redirect(""),
    "/to-loopback": redirect("http://127.0.0.2/photo"),
    "/to-private": redirect("http://10.0.0.1/photo"),
    "/to-metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "/to-rebound": redirect("http://rebound.example/photo"),
    "/to-file": redirect("file:///etc/passwd"),
    "/to-gopher": redirect("gopher://127.0.0.1:6379/_FLUSHALL"),
    "/to-relative": redirect("//127.0.0.2/photo"),
}


class Hostile:
    """What it listens on, and the requests that reached it."""

    def __init__(self, listener: socket.socket, certificate: Path | None = None) -> None:
        self.requests: list[bytes] = []
        self.port: int = listener.getsockname()[1]
        self._listener, self._context = listener, None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)

    def serve(self) -> None:
        with suppress(OSError):  # closed at the end of the test
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), self._secured(connection) as stream:
            request = stream.recv(2**16)
            while request and not _is_whole(request):
                request += stream.recv(2**16)
            self.requests.append(request)
            REPLIES[request.split(b" ")[1].decode().partition("?")[0]](stream)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._context.wrap_socket(connection, server_side=True) if self._context else connection


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or b"0"
    return bool(end) and len(body) >= int(length)


@contextmanager
def server(address: str = "127.0.0.1", *, port: int = 0, certificate: Path | None = None) -> Iterator[Hostile]:
    with socket.create_server((address, port)) as listener:
        hostile = Hostile(listener, certificate)
        thread = threading.Thread(target=hostile.serve, daemon=True)
        thread.start()
        yield hostile
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)
