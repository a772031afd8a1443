"""What the scoring service keeps: fitted regressors and the tokens of the apps that call it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Regressor(models.Model):
    """A fitted estimator's artefact and where it came from. The estimator itself is a file in storage."""

    # scoring knows no Study, only which one a regressor answers for.
    study = models.SlugField()
    recipe = models.JSONField()
    artefact = models.CharField(max_length=200, help_text="Storage name.")
    artefact_sha256 = models.CharField(max_length=64)
    # Seed, library versions and the hash of the training labels.
    provenance = models.JSONField(default=dict)
    fitted_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=False)

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study"], condition=Q(is_active=True), name="one_active_regressor"),
        ]

    def __str__(self) -> str:
        return f"regressor {self.pk}"


class ApiToken(models.Model):
    """An app's key to the scoring API. Only its hash is kept."""

    name = models.CharField(max_length=100)
    study = models.SlugField(help_text="Whose active regressor answers.")
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class Job(models.Model):
    """Work to be done once, whatever happens to the broker or the workers. `scoring.jobs` moves it along."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=120, blank=True, help_text="What it is doing now, for people.")
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # A running job whose lease has passed lost its worker.
    lease_until = models.DateTimeField(null=True, blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="running") | Q(lease_until__isnull=False), name="%(class)s_runs_under_a_lease"
            ),
            models.CheckConstraint(
                condition=Q(finished_at=None) | Q(started_at=None) | Q(finished_at__gte=F("started_at")),
                name="%(class)s_ends_after_it_starts",
            ),
        ]
