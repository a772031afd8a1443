"""An OpenID provider that a test can make lie in any way it likes, on loopback."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tests.identity_provider import CLIENT_ID, TENANT

KID = "the key"


def new_key() -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class HostileProvider:
    """Honest until a test changes something."""

    def __init__(self, address: str) -> None:
        self.issuer = f"{address}/{TENANT}/v2.0"
        self.key = new_key()
        self.published = {KID: self.key}
        self.claims: dict[str, Any] = {}  # laid over the honest ones; None takes one away
        self.discovery: dict[str, Any] = {}  # laid over the honest document
        self.sign: Callable[[dict[str, Any]], str] = self.sign_honestly
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda honest: honest
        self.sends_on = ""  # where the token endpoint redirects to
        self.asked: Counter[str] = Counter()
        self.nonce = ""
        self.last_token = ""

    def sign_honestly(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": KID})

    def document(self) -> dict[str, Any]:
        endpoints = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        return {"issuer": self.issuer, **endpoints, **methods, **self.discovery}

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._public(kid, key) for kid, key in self.published.items()]}

    def tokens(self) -> dict[str, Any]:
        now = int(time.time())
        honest: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "sub-ana",
            "tid": TENANT,
            "oid": "oid-ana",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": self.nonce,
            "roles": ["reader"],
        }
        said = {name: value for name, value in (honest | self.claims).items() if value is not None}
        self.last_token = self.sign(said)
        return self.answer({"access_token": "any", "token_type": "Bearer", "id_token": self.last_token})

    def _public(self, kid: str, key: RSAPrivateKey) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": public["n"], "e": public["e"]}


@contextmanager
def running() -> Iterator[HostileProvider]:
    """Serve one until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    provider = server.provider = HostileProvider(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self._count()
        answers = {"openid-configuration": self._provider.document, "jwks_uri": self._provider.keys}
        self._send(answers[name]())

    def do_POST(self) -> None:
        self._count()
        self.form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self._provider.sends_on:
            self.send_response(307)
            self.send_header("Location", self._provider.sends_on)
            self.end_headers()
            return
        self._send(self._provider.tokens())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is http.server's
        del format, args

    @property
    def _provider(self) -> HostileProvider:
        provider: HostileProvider = self.server.provider  # type: ignore[attr-defined]
        return provider

    def _count(self) -> str:
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        self._provider.asked[name] += 1
        return name

    def _send(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
