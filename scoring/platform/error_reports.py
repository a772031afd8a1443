"""Error reports to Sentry (setting SENTRY_DSN): where the code failed, never the data it worked on."""

from typing import TYPE_CHECKING, Any

import sentry_sdk

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT_OF_REQUEST = {"method"}  # an address may name a study, a token or a photograph
KEYS_KEPT = {"event_id", "timestamp", "platform", "level", "logger", "release", "exception", "sdk", "contexts"}
KEPT_CONTEXTS = {"runtime", "trace"}


def begin(dsn: str, *, release: str) -> None:
    """Send errors from now on. No bodies, headers, cookies, users, local variables, breadcrumbs or messages."""
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        server_name="",
        before_send=_scrubbed,
    )


def _scrubbed(event: "Event", hint: "Hint") -> "Event | None":
    """Keep what is named here alone: what a later version of the library adds stays out.

    A database that is away is not told: it would be an event for each request, of what /readyz and the log say.
    """
    from scoring.platform import outages  # Django's settings, which begin this, are not there yet

    if outages.is_away(hint.get("exc_info", (None, None))[1]):
        return None
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in KEYS_KEPT}
    request: dict[str, Any] = event.get("request") or {}
    kept["request"] = {name: value for name, value in request.items() if name in KEPT_OF_REQUEST}
    kept["contexts"] = {name: value for name, value in kept.get("contexts", {}).items() if name in KEPT_CONTEXTS}
    for exception in kept.get("exception", {}).get("values", []):
        exception["value"] = ""  # an error's words may quote a file's name or a row
    return kept  # type: ignore[return-value]
