"""The length of a session: a working day, an idle hour, and no longer than the person holds the role."""

import logging
import time
from dataclasses import asdict, dataclass
from datetime import timedelta

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from labeler.accounts import people
from labeler.accounts.oidc import issuer
from labeler.accounts.oidc.id_tokens import CLOCK_SKEW, UnbelievableError
from labeler.accounts.oidc.issuer import RefusedError, Tokens, UnreachableError
from labeler.models import Invitation, ProviderSession, User

RECENT = 600  # seconds for which a sign-in proves the person's identity
NOTED = 60  # seconds between two writes of the time of last activity
PROVIDER_GRACE = 3600  # seconds that sessions outlive a provider which does not answer
SESSION_KEY = "sign_in"
OWN = {"password", "mfa"}  # the ways of signing in that we check ourselves

logger = logging.getLogger(__name__)


class SignInNeededError(Exception):
    """The act asks for a sign-in that is not long ago. Carries where to go once that has happened."""

    def __init__(self, onwards: str) -> None:
        super().__init__(onwards)
        self.onwards = onwards


@dataclass
class SignIn:
    """What a session remembers of its sign-in. Times in seconds since 1970."""

    began: float
    seen: float
    role_version: int
    proven: float = 0.0  # when the provider, or a link, last saw the person themself
    asked: float = 0.0  # when the provider was last asked whether all this still holds
    provider_session: int | None = None
    by: str = "password"

    @classmethod
    def of(cls, session: SessionBase) -> "SignIn | None":
        kept = session.get(SESSION_KEY)
        return cls(**kept) if kept else None

    def keep(self, session: SessionBase) -> None:
        session[SESSION_KEY] = asdict(self)


def begin(session: SessionBase, user: User, *, tokens: Tokens | None = None, by: str = "password") -> None:
    """Remember a sign-in that has just happened."""
    now = time.time()
    sign_in = SignIn(began=now, seen=now, role_version=user.role_version, asked=now, by=by)
    if tokens:
        oldest = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
        ProviderSession.objects.filter(began_at__lt=oldest).delete()
        kept = ProviderSession.objects.create(user=user, id_token=tokens.id_token, refresh_token=tokens.refresh_token)
        sign_in.provider_session, sign_in.proven = kept.pk, proof_in(tokens)
    elif by == "link":
        sign_in.proven = now
    sign_in.keep(session)


def prove(session: SessionBase, tokens: Tokens) -> None:
    """Remember that the person signed in again at the provider, in the session that they have."""
    sign_in = SignIn.of(session)
    assert sign_in is not None  # noqa: S101  `check` saw to it when the request came
    sign_in.proven, sign_in.asked = proof_in(tokens), time.time()
    sign_in.keep(session)
    # The old refresh token may have ended with the provider's old session.
    rows = ProviderSession.objects.filter(pk=sign_in.provider_session or 0)
    rows.update(id_token=tokens.id_token, refresh_token=tokens.refresh_token, confirmed_at=timezone.now())


def proof_in(tokens: Tokens) -> float:
    """Return when the provider saw the person. One that can't be asked for that is trusted with a fresh answer."""
    if settings.OIDC_REAUTHENTICATION != "login":
        return time.time()
    seen = tokens.claims.get("auth_time")
    is_number = isinstance(seen, int | float) and not isinstance(seen, bool)
    return min(float(seen), time.time()) if is_number and seen is not None else 0.0


def is_recent(session: SessionBase) -> bool:
    """Whether the session's person signed in within the last minutes."""
    sign_in = SignIn.of(session)
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    own: list[float] = [record["at"] for record in records if record["method"] in OWN]
    proofs = [sign_in.proven if sign_in else 0.0, *own]
    # One that lies ahead was written by a clock that was wrong, and would be recent until then.
    return any(-CLOCK_SKEW <= time.time() - at < RECENT + CLOCK_SKEW for at in proofs)


def why_over(session: SessionBase, user: User, *, is_act: bool) -> str:
    """Return why a session ends now, or nothing; note that the person was here, where this request is their act."""
    now = time.time()
    sign_in = SignIn.of(session)
    if sign_in is None:  # made by a command or by an older version: it begins now, and proves nothing
        sign_in = SignIn(began=now, seen=now, role_version=user.role_version, asked=now)
        sign_in.keep(session)
    _forget_the_future(sign_in, session, now)
    if now - sign_in.began > settings.SESSION_COOKIE_AGE:
        return "it lasted a working day"
    if now - sign_in.seen > settings.SESSION_IDLE:
        return "nobody was there"
    if sign_in.by == "password" and not settings.LOCAL_PASSWORDS:
        return "local passwords are switched off"
    if sign_in.role_version != user.role_version:
        return "the person's roles have changed"
    if sign_in.provider_session and now - sign_in.asked > settings.OIDC_RECHECK:
        return _ask_again(session, user, sign_in)
    if is_act and now - sign_in.seen > NOTED:
        sign_in.seen = now
        sign_in.keep(session)
    return ""


def _forget_the_future(sign_in: SignIn, session: SessionBase, now: float) -> None:
    """Count a session from now on that a clock which was wrong has dated ahead: it would last until then and longer."""
    if max(sign_in.began, sign_in.seen, sign_in.asked) <= now + CLOCK_SKEW:
        return
    sign_in.began, sign_in.seen = min(sign_in.began, now), min(sign_in.seen, now)
    if sign_in.asked > now:
        sign_in.asked = 0.0  # ask the provider at once
    sign_in.keep(session)


def _ask_again(session: SessionBase, user: User, sign_in: SignIn) -> str:
    """Ask the provider whether the person still holds their roles, once for all requests that come now."""
    now = timezone.now()
    rows = ProviderSession.objects.filter(pk=sign_in.provider_session or 0)
    due = now - timedelta(seconds=settings.OIDC_RECHECK)
    # Asked, or confirmed, in the future: that was a clock that was wrong.
    soon = now + timedelta(seconds=CLOCK_SKEW)
    is_due = Q(asked_at__lte=due) | Q(asked_at__gt=soon)
    why = _ask_provider(rows.get(), user) if rows.filter(is_due).update(asked_at=now) else ""
    if not why and not rows.filter(confirmed_at__range=(now - timedelta(seconds=PROVIDER_GRACE), soon)).exists():
        why = "the provider does not answer"
    sign_in.asked = time.time()
    sign_in.keep(session)
    return why


def _ask_provider(kept: ProviderSession, user: User) -> str:
    rows = ProviderSession.objects.filter(pk=kept.pk)
    if not kept.refresh_token:
        if not _is_only_invited(user):
            return "the provider can only be asked by signing in again"
        rows.update(confirmed_at=timezone.now())
        return ""
    version = user.role_version
    subject = SocialAccount.objects.get(user=user, provider=people.PROVIDER).extra_data["sub"]
    try:
        tokens = issuer.refresh(kept.refresh_token, subject=subject)
        people.sync(user, people.claimed_roles(tokens.claims))
    except UnreachableError as error:
        logger.warning("The identity provider could not be asked about a session: %s", error)
        return ""
    except (RefusedError, UnbelievableError, people.NotAdmittedError) as error:
        logger.warning("A session ends: %s", error)
        return "the provider no longer stands for the person"
    rows.update(refresh_token=tokens.refresh_token, id_token=tokens.id_token, confirmed_at=timezone.now())
    return "the person's roles have changed" if user.role_version != version else ""


def _is_only_invited(user: User) -> bool:
    """Whether all of a person's roles come from an invitation: revoking it ends their sessions at once."""
    return set(user.roles or []) <= set(
        Invitation.objects.filter(user=user, revoked_at=None).values_list("role", flat=True)
    )


@transaction.atomic
def forget(session: SessionBase) -> str:
    """Take the provider's tokens of a session away and return its ID token, which ends it at the provider too."""
    sign_in = SignIn.of(session)
    kept = ProviderSession.objects.filter(pk=sign_in.provider_session or 0).first() if sign_in else None
    if kept is None:
        return ""
    kept.delete()
    return kept.id_token
