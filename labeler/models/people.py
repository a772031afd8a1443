"""Accounts, invitations, and sessions at the identity provider."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone


class Role(models.TextChoices):
    """The roles that a person can hold."""

    ADMIN = "admin", "Runs studies"
    READER = "reader", "Reads studies"
    AUDITOR = "auditor", "Sees every study's log and numbers, changes nothing"


class User(AbstractUser):
    """A person who signs in. Reader rows and Study.admins say what they may do, as far as their roles allow."""

    # Set anew at every sign-in through a provider: a place in a study counts only while the role for it is held.
    roles = ArrayField(
        models.CharField(max_length=10, choices=Role),
        null=True,
        blank=True,
        help_text="None: a local account, which roles do not limit.",
    )
    # Every session remembers the number it began under, and ends at the next request once this one is larger.
    role_version = models.PositiveIntegerField(default=0, editable=False)
    # An admin has read it on a page: it opens nothing but the page that changes it.
    password_is_given = models.BooleanField(default=False, db_default=False, editable=False)

    def holds(self, role: Role) -> bool:
        """Whether the person holds the role. Local accounts hold all roles but that of an auditor."""
        return role != Role.AUDITOR if self.roles is None else role in self.roles


class Invitation(models.Model):
    """A role for a person without one at the identity provider. The first identity to use it keeps it."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="invitation")
    email = models.EmailField(help_text="The provider must say that it is verified.")
    role = models.CharField(max_length=10, choices=Role)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(auto_now_add=True)
    issuer = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), condition=Q(revoked_at=None), name="invited_once"),
            models.CheckConstraint(
                condition=Q(used_at=None, subject="") | (Q(used_at__isnull=False) & ~Q(subject="")),
                name="used_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"


class ProviderSession(models.Model):
    """What the identity provider gave for one session: with it, it is asked again and again whether it still holds."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    # Both are worthless without the client's secret.
    id_token = models.TextField()
    refresh_token = models.TextField(blank=True)
    began_at = models.DateTimeField(default=timezone.now)
    # Claimed by a conditional UPDATE, since most providers take a refresh token once.
    asked_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"session {self.pk}"
