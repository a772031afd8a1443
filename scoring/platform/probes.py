"""Liveness (/healthz) and readiness (/readyz) probes of a process.

It wraps the WSGI application, because a probe names no host that people type and speaks no TLS: Django would refuse it.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ALIVE, READY = "/healthz", "/readyz"

logger = logging.getLogger(__name__)


class NotReadyError(RuntimeError):
    """Why a process can't do its work now, in a few words that give no path or host away."""


Check = Callable[[], None]  # raises NotReadyError


class Seldom:
    """Asks what costs something at most once in a while, apart, and says meanwhile what it said.

    A server that is stuck would otherwise hold up every probe, and a late answer counts as a dead process.
    """

    def __init__(self, check: Check, *, seconds: float = 30, patience: float = 2) -> None:
        self.check, self.seconds, self.patience = check, seconds, patience
        self._error: NotReadyError | None = None
        self._asked_at = -seconds
        self._asking = threading.Thread()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Raises NotReadyError."""
        with self._lock:
            if time.monotonic() - self._asked_at >= self.seconds and not self._asking.is_alive():
                self._asked_at = time.monotonic()
                self._asking = threading.Thread(target=self._ask, name="probe", daemon=True)
                self._asking.start()
                self._asking.join(self.patience)
            if self._asking.is_alive():
                raise NotReadyError("has not answered yet")
        if self._error:
            raise self._error

    def _ask(self) -> None:
        try:
            self.check()
        except NotReadyError as error:
            self._error = error
        else:
            self._error = None


class Health:
    """A WSGI application that answers probes, and lets everything else pass.

    It is ready when `checks` pass. What `told` finds is answered too, and changes nothing: readers can go on without.
    """

    def __init__(
        self, application: "WSGIApplication", *, checks: Mapping[str, Check], told: Mapping[str, Check] = {}
    ) -> None:
        self.application, self.checks, self.told = application, checks, told
        self._said: Mapping[str, str] = {}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == ALIVE:
            return _answer(start_response, HTTPStatus.OK, {"alive": "yes"})
        if path == READY:
            return self._ready(start_response)
        return self.application(environ, start_response)

    def _ready(self, start_response: "StartResponse") -> Iterable[bytes]:
        close_old_connections()
        found = {name: _outcome(check) for name, check in self.checks.items()}
        is_ready = all(said == "ok" for said in found.values())
        self._log(found, is_ready=is_ready)
        told = {name: _outcome(check) for name, check in self.told.items()}
        return _answer(start_response, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE, found | told)

    def _log(self, found: Mapping[str, str], *, is_ready: bool) -> None:
        """Say what changed, once: probes come every few seconds."""
        if found == self._said:
            return
        self._said = found
        if is_ready:
            logger.info("Ready")
        else:
            logger.warning("Not ready: %s", found)


def database() -> None:
    """PostgreSQL answers. Raises NotReadyError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        connection.close()
        raise NotReadyError("does not answer") from error


class Migrations:
    """Every migration of this version has been applied. They are not undone while it runs: one yes stays."""

    def __init__(self) -> None:
        self._are_applied = False

    def __call__(self) -> None:
        """Raises NotReadyError."""
        if not self._are_applied:
            self._are_applied = not _missing_migrations()
        if not self._are_applied:
            raise NotReadyError("missing: run `manage.py migrate`")


def _missing_migrations() -> bool:
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError as error:
        raise NotReadyError("unknown: the database does not answer") from error
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _outcome(check: Check) -> str:
    try:
        check()
    except NotReadyError as error:
        return str(error)
    return "ok"


def _answer(start_response: "StartResponse", status: HTTPStatus, content: Mapping[str, str]) -> Iterable[bytes]:
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
