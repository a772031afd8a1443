"""Tables of the scoring service: fitted regressors, tokens of apps, and scoring jobs."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
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
    learned_from_erased = models.PositiveIntegerField(
        default=0, db_default=0, editable=False, help_text="Images that it learned from and that were erased since."
    )

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study"], condition=Q(is_active=True), name="one_active_regressor"),
        ]

    def __str__(self) -> str:
        return f"regressor {self.pk}"


class Scope(models.TextChoices):
    """What a token may be used for."""

    SCORE = "score", "Score one photograph"
    BATCH = "batch", "Score many at once, and in jobs"
    OVERLAY = "overlay", "See which region drives a score"
    LEGACY = "legacy", "Ask in the published service's way"
    STORE = "store", "Leave selfies here, with their person's consent"


class ApiToken(models.Model):
    """An app's key to the scoring API. Only its hash is kept."""

    name = models.CharField(max_length=100)
    study = models.SlugField(help_text="Whose active regressor answers.")
    token_sha256 = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope), default=list)
    per_minute = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1)], help_text="Photographs a minute, and at most at once."
    )
    # The bucket of `per_minute` drops is full again at this time: one column, one UPDATE, shared by all processes.
    full_at = models.DateTimeField(null=True, blank=True, editable=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            # A page that is sent twice makes one token, and a leaked one is found by its app's name.
            models.UniqueConstraint(
                fields=["study", "name"], condition=Q(revoked_at=None), name="one_live_token_per_app"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StoredAnswer(models.Model):
    """The answer to a request with an idempotency key, for a repetition of the request."""

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    # A keyed hash of the body: photographs cannot be tried against it.
    digest = models.CharField(max_length=64)
    # While the first request is being answered there is none, and this is when it is given up.
    lease_until = models.DateTimeField()
    answer = models.JSONField(null=True)
    made_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_key"),
        ]

    def __str__(self) -> str:
        return self.key


class StoredSelfie(models.Model):
    """A selfie whose person agreed that it stays. Erasing it erases the row and the file."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    token = models.ForeignKey(ApiToken, on_delete=models.PROTECT, related_name="stored_selfies")
    file = models.CharField(max_length=200, help_text="Storage name of the photograph as it came.")
    consent = models.TextField(help_text="What the person agreed to, in the app's words.")
    answer = models.JSONField(help_text="What the machine said of it.")
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return str(self.public_id)


def job_constraints(name: str) -> list[models.BaseConstraint]:
    """Return the constraints of a job's table. Their names begin with `name`."""
    return [
        models.CheckConstraint(
            condition=~Q(state="running") | Q(lease_until__isnull=False), name=f"{name}_runs_under_a_lease"
        ),
        models.CheckConstraint(
            condition=Q(finished_at=None) | Q(started_at=None) | Q(finished_at__gte=F("started_at")),
            name=f"{name}_ends_after_it_starts",
        ),
    ]


class Job(models.Model):
    """Work to be done once, whatever happens to the broker or the workers. `scoring.platform.jobs` moves it along."""

    # Of a study's jobs the addresses' names: where one is shown, and where a failed one is tried again.
    PAGE: ClassVar[str] = ""
    AGAIN: ClassVar[str] = ""

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
        constraints: ClassVar = job_constraints("%(class)s")

    @property
    def is_set_aside(self) -> bool:
        """Whether it failed and waits for an admin."""
        return self.state == self.State.FAILED


class BulkJob(Job):
    """Photographs that an app wants scored, and is told about when they are."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="bulk_jobs")
    webhook = models.URLField(max_length=2000, blank=True)
    # A delivery is claimed by moving this on to when the next one is due.
    webhook_due_at = models.DateTimeField(null=True, blank=True)
    webhook_attempts = models.PositiveSmallIntegerField(default=0)
    webhook_delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta(Job.Meta):
        ordering = ("id",)

    def __str__(self) -> str:
        return f"bulk job {self.public_id}"


class BulkItem(models.Model):
    """One photograph of a bulk job: where it is, and then what was said of it."""

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=255, help_text="Its file name or address, for the app.")
    file = models.CharField(max_length=200, blank=True, help_text="Storage name until it is scored.")
    url = models.URLField(max_length=2000, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, help_text="As the API would have answered alone.")
    answer = models.JSONField(null=True)
    detail = models.TextField(blank=True, help_text="Why there is no answer.")

    class Meta:
        ordering = ("position",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "position"], name="one_item_per_position"),
        ]

    def __str__(self) -> str:
        return self.name
