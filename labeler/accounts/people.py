"""Accounts of people who come through the identity provider: invitations and roles.

A person is (issuer, subject) of a checked ID token. Addresses and names identify no person: Entra's are
not verified, and an attacker may choose them (the nOAuth attack).
"""

import hashlib
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeler.models import Invitation, Role, User
from labeler.record import audit

PROVIDER = "oidc"
CLAIMS_KEPT = ("iss", "sub", "oid", "tid")  # of a token's claims: what names a person, nothing that describes them

NOT_INVITED = (
    "You are signed in at your organisation, but it gives you no role here and you have no invitation. "
    "Ask the person who runs your study."
)
OVERAGE = (
    "You are in so many groups that your organisation's sign-in leaves them out, so your role can't be seen. "
    "Your administrator can give roles by app roles instead of groups."
)
CLOSED = "This account is closed. Ask the person who runs your study."

Claims = dict[str, Any]


class NotAdmittedError(Exception):
    """Why an authenticated person may not sign in, as a sentence for them."""


def identity_of(claims: Claims) -> str:
    """Return the one name of a person: of a fixed length, since an issuer and a subject can be long."""
    return hashlib.sha256(f"{claims['iss']}\n{claims['sub']}".encode()).hexdigest()


def kept_of(claims: Claims) -> Claims:
    return {name: claims[name] for name in CLAIMS_KEPT if name in claims}


def claimed_roles(claims: Claims) -> set[Role]:
    """Return the roles that the provider gives. Raises NotAdmittedError where it can't be seen."""
    named = _strings(claims.get(settings.OIDC_ROLES_CLAIM))
    if settings.OIDC_GROUPS:
        elsewhere = claims.get("_claim_names")
        if claims.get("hasgroups") or (isinstance(elsewhere, dict) and "groups" in elsewhere):
            raise NotAdmittedError(OVERAGE)
        named |= {settings.OIDC_GROUPS[group] for group in _strings(claims.get("groups")) & set(settings.OIDC_GROUPS)}
    return {Role(name) for name in named & set(Role.values)}


def admit(claims: Claims) -> User:
    """Return the account of a person, made at their first sign-in, with the roles they hold now.

    Raises NotAdmittedError; what they held before is taken from them all the same.
    """
    user = find(claims)
    try:
        roles = claimed_roles(claims)
    except NotAdmittedError:
        if user:
            sync(user, set())
        raise
    user = user or _welcome(claims, roles)
    if user is None:
        raise NotAdmittedError(NOT_INVITED)
    if not user.is_active:
        raise NotAdmittedError(CLOSED)
    if not sync(user, roles):
        raise NotAdmittedError(NOT_INVITED)
    return user


def find(claims: Claims) -> User | None:
    account = SocialAccount.objects.select_related("user").filter(provider=PROVIDER, uid=identity_of(claims)).first()
    return account.user if account else None


@transaction.atomic
def sync(user: User, claimed: set[Role]) -> list[str]:
    """Give a person the roles they hold now and take the others; a change ends their sessions. Returns the roles."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    invited = set(Invitation.objects.filter(user=user, revoked_at=None).values_list("role", flat=True))
    roles = sorted({role.value for role in claimed} | invited)
    if locked.roles != roles:
        audit.record(None, user, "roles changed", detail=f"{_named(locked.roles)} -> {_named(roles)}")
        _give(locked, roles)
    user.roles, user.role_version = locked.roles, locked.role_version
    user.is_superuser, user.is_staff = locked.is_superuser, locked.is_staff
    return roles


@transaction.atomic
def end_access(user: User, *, by: User | None, reason: str) -> None:
    """Take an invitation back and end the person's sessions. A role of the provider's is taken there."""
    Invitation.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    audit.record(None, by, "access ended", detail=user.username, reason=reason)
    _give(User.objects.select_for_update().get(pk=user.pk), [])


def end_sessions(user: User) -> None:
    """End all of a person's sessions at their next request."""
    User.objects.filter(pk=user.pk).update(role_version=F("role_version") + 1)


@transaction.atomic
def invite(*, email: str, role: Role, by: User | None) -> Invitation:
    """Invite the person whose provider verified this address. Their account exists at once."""
    user = _new_user(email)
    audit.record(None, by, "invited", detail=f"{user.username} as {role.value}")
    return Invitation.objects.create(user=user, email=email, role=role, invited_by=by)


def is_invited(email: str) -> bool:
    return Invitation.objects.filter(email__iexact=email, revoked_at=None).exists()


@transaction.atomic
def _welcome(claims: Claims, roles: set[Role]) -> User | None:
    """Create the account of a person at their first sign-in: invited, or with a role."""
    invitation = _unused_invitation(claims)
    if invitation:
        Invitation.objects.filter(pk=invitation.pk).update(
            issuer=claims["iss"], subject=claims["sub"], used_at=timezone.now()
        )
        user = invitation.user
    elif roles:
        user = _new_user(_string(claims, "preferred_username") or "person")
    else:
        return None
    user.first_name, user.last_name = _string(claims, "given_name")[:150], _string(claims, "family_name")[:150]
    user.save(update_fields=["first_name", "last_name"])
    SocialAccount.objects.create(user=user, provider=PROVIDER, uid=identity_of(claims), extra_data=kept_of(claims))
    return user


def _unused_invitation(claims: Claims) -> Invitation | None:
    """Use an invitation: once, for the first person whose provider verified its address."""
    if claims.get("email_verified") is not True:
        return None
    invitations = Invitation.objects.select_for_update(of=("self",)).select_related("user")
    return invitations.filter(email__iexact=_string(claims, "email"), used_at=None, revoked_at=None).first()


def _new_user(wanted: str) -> User:
    """Create an account without a password. Its name is for people to read and identifies no one."""
    name = get_adapter().generate_unique_username([wanted, "person"])
    return User.objects.create_user(username=name, password=None, roles=[])


def _give(user: User, roles: list[str]) -> None:
    """Change a person's roles. Losing the role of an admin also ends being a superuser; no role grants it."""
    user.roles = roles
    user.role_version += 1
    if Role.ADMIN not in roles:
        user.is_superuser = user.is_staff = False
    user.save(update_fields=["roles", "role_version", "is_superuser", "is_staff"])


def _named(roles: list[str] | None) -> str:
    return ", ".join(roles or []) or "none"


def _string(claims: Claims, name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _strings(value: object) -> set[str]:
    return {word for word in value if isinstance(word, str)} if isinstance(value, list) else set()
