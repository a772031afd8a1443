"""The id of a request: it stands in the response, in each log line of the request, and at the caller."""

import re
import secrets
from contextvars import ContextVar

WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")  # nothing that could forge a line of the log

current: ContextVar[str] = ContextVar("request_id", default="")


def choose(wanted: str) -> str:
    """Return the caller's own, if it is fit for a log, or else a new one."""
    return wanted if WELL_FORMED.fullmatch(wanted) else secrets.token_hex(16)
