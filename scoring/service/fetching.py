"""HTTP requests to addresses that strangers named: to fetch a photograph or to deliver a webhook.

A name is resolved once, every address it has must be public, and the connection goes to that very address, whatever
the name means a moment later. Each redirect is a new address and is looked at anew. Nothing is unpacked.
"""

import http.client
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings

from scoring.photograph.decoding import MAX_SELFIE_BYTES
from scoring.service import addresses
from scoring.service.addresses import Address, Network

PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PIECE = 2**16  # bytes read at once
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\]")
VISIBLE = re.compile(r"[!-\[\]-~]+")  # ASCII without spaces, controls and the backslash
IMAGES = re.compile(r"image/.*|(application|binary)/octet-stream|")

OFF = "This service fetches no addresses. Send the photograph itself."
REFUSED = "This address may not be fetched. Name a public http or https address of a photograph."
FAILED = "No photograph came from this address. Send the photograph itself."
TOO_LARGE = f"The photograph there is larger than {MAX_SELFIE_BYTES // 2**20} MB."

Resolver = Callable[[str, int], list[str]]

logger = logging.getLogger(__name__)


class FetchError(ValueError):
    """Why an address is not fetched, as a sentence for the caller that reveals nothing of our network."""


def resolve(name: str, port: int) -> list[str]:
    """Every address a name has, as text. The system's resolver has a time limit of its own. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Rules:
    """What may be asked, and for how much."""

    hosts: tuple[str, ...] = ()  # only these, or with a dot before it everything below; empty: any public one
    networks: tuple[Network, ...] = ()  # of our own, and asked all the same
    seconds: float = 10.0  # for all of it, redirects included
    most: int = MAX_SELFIE_BYTES
    redirects: int = 3
    resolve: Resolver = field(default=resolve, repr=False)


def rules() -> Rules:
    """Return what this installation allows. Raises FetchError where that is nothing."""
    if not settings.OUTBOUND:
        raise FetchError(OFF)
    return Rules(hosts=tuple(settings.OUTBOUND_HOSTS), networks=tuple(settings.OUTBOUND_NETWORKS))


def fetch(url: str, rules: Rules) -> bytes:
    """Return the image that is there. Raises FetchError."""
    with _within(rules.seconds) as deadline:
        for _ in range(rules.redirects + 1):
            with closing(_Connection.to(url, rules, deadline)) as connection:
                connection.request("GET", _path(urlsplit(url)), headers={"Accept": "image/*"})
                answer = connection.getresponse()
                if answer.status not in REDIRECTS:
                    return b"".join(_body(answer, rules.most))
                url = urljoin(url, answer.headers.get("Location", ""))
    raise FetchError(FAILED)


def check(url: str, rules: Rules) -> None:
    """Look at an address that will be asked later. Its name is resolved then. Raises FetchError."""
    _checked(url, rules)


def post(url: str, body: bytes, headers: Mapping[str, str], rules: Rules) -> int:
    """Bring a message; return the status it was answered with. No redirect is followed. Raises FetchError."""
    with _within(rules.seconds) as deadline, closing(_Connection.to(url, rules, deadline)) as connection:
        connection.request("POST", _path(urlsplit(url)), body=body, headers=dict(headers))
        return connection.getresponse().status


class _Deadline:
    """Cuts whatever connection is open when the time is over: a server that drips can't hold us by any trick."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.is_over = seconds, False
        self._open: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        self._open = connected
        if self.is_over:
            self._cut()

    def _cut(self) -> None:
        self.is_over = True
        if self._open is not None:
            try:
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
            except OSError:
                logger.debug("The connection was closed already.")


@contextmanager
def _within(seconds: float) -> Iterator[_Deadline]:
    """Whatever goes wrong on the way is one sentence for the caller, and its cause for the log."""
    try:
        with _Deadline(seconds) as deadline:
            yield deadline
            if deadline.is_over:
                raise TimeoutError("The time was over.")
    except FetchError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        logger.info("Not fetched: %s (%s).", error, type(error).__name__)
        raise FetchError(FAILED) from error


class _Connection(http.client.HTTPConnection):
    """Speaks HTTP to one address, under a name that it does not resolve again."""

    def __init__(self, parts: SplitResult, address: Address, deadline: _Deadline) -> None:
        super().__init__(parts.hostname or "", _port(parts), timeout=deadline.seconds)
        self._address, self._is_tls, self._deadline = str(address), parts.scheme == "https", deadline
        if self._is_tls:
            self.default_port = 443  # so that Host names no port

    @classmethod
    def to(cls, url: str, rules: Rules, deadline: _Deadline) -> Self:
        parts = _checked(url, rules)
        return cls(parts, _address(parts, rules), deadline)

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        self._deadline.watch(self.sock)
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self._deadline.watch(self.sock)
            self.sock.do_handshake()


def _checked(url: str, rules: Rules) -> SplitResult:
    """Return the parts of an address that is written as one may be. Raises FetchError."""
    parts = _split(url)
    name = parts.netloc.lower().removesuffix(f":{parts.port}")  # with a user before it, it is no name
    if parts.scheme not in PORTS or not NAME.fullmatch(name) or not _is_listed(name.rstrip("."), rules):
        raise FetchError(REFUSED)
    return parts


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if VISIBLE.fullmatch(url) else "")
        _port(parts)
    except ValueError as error:  # brackets or a port that are none
        raise FetchError(REFUSED) from error
    return parts


def _port(parts: SplitResult) -> int:
    return PORTS.get(parts.scheme, 0) if parts.port is None else parts.port


def _is_listed(name: str, rules: Rules) -> bool:
    """Whether the list of hosts, if there is one, has this name, or one it lies below."""
    return not rules.hosts or any(
        name == host.lstrip(".") or (host.startswith(".") and name.endswith(host)) for host in rules.hosts
    )


def _address(parts: SplitResult, rules: Rules) -> Address:
    """Return where to connect to. One address that is not allowed spoils all of them. Raises FetchError, OSError."""
    name, port = parts.hostname or "", _port(parts)
    found = [addresses.parse(text.partition("%")[0]) for text in rules.resolve(name, port)]
    own = [address for address in found if any(address in network for network in rules.networks)]
    if not found or not all(
        address in own or (addresses.is_public(address) and port in PORTS.values()) for address in found
    ):
        logger.warning("Refused to fetch from %s: %s, port %s.", name, ", ".join(map(str, found)), port)
        raise FetchError(REFUSED)
    return found[0]


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _body(answer: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """Read as it comes, no more than may come. Raises FetchError."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if answer.status != http.HTTPStatus.OK or not IMAGES.fullmatch(kind) or packed != "identity":
        raise FetchError(FAILED)
    if (answer.length or 0) > most:
        raise FetchError(TOO_LARGE)
    while piece := answer.read1(PIECE):
        most -= len(piece)
        if most < 0:
            raise FetchError(TOO_LARGE)
        yield piece
    if answer.length:
        raise FetchError(FAILED)  # it ended before it was whole
