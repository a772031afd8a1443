"""Django's database sessions, loaded by a compiled query, since every request loads one."""

from datetime import UTC, datetime

from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.utils import timezone

from labeler.platform.compiled_queries import CompiledQuery

_VALID = CompiledQuery(
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now),
    key="a-key",
    now=datetime(2000, 1, 1, tzinfo=UTC),
)


class SessionStore(db.SessionStore):
    """What SESSION_ENGINE names."""

    def _get_session_from_db(self) -> Session | None:
        found = _VALID.first(key=self.session_key, now=timezone.now())
        if found is None:
            self._session_key = None
        return found
