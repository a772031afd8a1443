"""Rows from which workers work: imports, erasures, jobs over a whole study."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from labeler.models.images import Image
from labeler.models.people import User
from labeler.models.studies import Study
from scoring.models import Job, job_constraints


class Intake(models.Model):
    """One import: where its files come from. It is over when none of them waits."""

    class Source(models.TextChoices):
        FOLDER = "folder", "A folder on the server"
        ZIP = "zip", "A zip file"
        UPLOAD = "upload", "Files from a browser"
        BUCKET = "bucket", "A prefix in object storage"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="intakes")
    source = models.CharField(max_length=10, choices=Source)
    place = models.CharField(max_length=500, blank=True, help_text="The folder, zip or prefix.")
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)
    # Interrupted, an upload goes on in the same import.
    is_uploading = models.BooleanField(default=False, help_text="A browser still sends files.")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"import {self.pk}"


class IntakeFile(models.Model):
    """A file of an import, and what became of it. Any number of workers take waiting ones under a lease."""

    class State(models.TextChoices):
        UPLOADING = "uploading", "Being sent"
        UNPACKED = "unpacked", "Unpacked"
        WAITING = "waiting", "Waiting"
        IMPORTED = "imported", "Imported"
        KNOWN = "known", "Known already"
        REFUSED = "refused", "Refused"

    intake = models.ForeignKey(Intake, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=500)
    # Two files of an import may have one name: in a zip, or picked in a browser from two folders.
    came_as = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text="Its own name, where `name` is not that."
    )
    # SHA-256 of its bytes, or of a large zip's ends; of a file in a zip its place in the zip's list.
    mark = models.CharField(max_length=64, blank=True, default="", db_default="")
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    # Where an uploaded file lies until it is imported; a member of a zip lies in its archive's.
    upload = models.CharField(max_length=200, blank=True)
    archive = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="members")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    reason = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["intake", "name"], name="one_row_per_file")]
        indexes: ClassVar = [
            models.Index(fields=["intake", "id"], condition=Q(state="waiting"), name="still_to_import")
        ]

    def __str__(self) -> str:
        return self.name


class Erasure(Job):
    """The erasure of a person's photographs and all that was derived from them: a job, then its certificate."""

    PAGE, AGAIN = "erasure", "retry_erasure"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="erasures")
    subject = models.CharField(max_length=100, blank=True, help_text="Their pseudonym; none where not known.")
    reason = models.CharField(max_length=300)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    certificate = models.JSONField(null=True, editable=False, help_text="What was erased.")
    # Ids of regressors that learned from it; training looks them up.
    regressors = models.JSONField(null=True, editable=False)

    class Meta(Job.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"erasure {self.pk}"


class ErasedImage(models.Model):
    """An image of an erasure: what there was of it, written down before any of it is deleted."""

    erasure = models.ForeignKey(Erasure, on_delete=models.PROTECT, related_name="images")
    image = models.OneToOneField(Image, on_delete=models.PROTECT, related_name="erased")
    files = models.JSONField(null=True, help_text="Kind, name in storage, SHA-256 and bytes of each.")
    done_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"image {self.image_id}, erased"


class StudyJob(Job):
    """Work over a whole study that a button asked a worker for."""

    PAGE, AGAIN = "study_job", "retry_study_job"

    class Kind(models.TextChoices):
        MEASURE = "measure", "measuring images"
        LIMITS = "limits", "applying limits"
        DUPLICATES = "duplicates", "searching near-duplicates"
        SCORE = "score", "scoring provisionally"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="study_jobs")
    kind = models.CharField(max_length=12, choices=Kind)
    # Of those that ask for it before it is over the last one counts.
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    source = models.ForeignKey(
        Study, null=True, on_delete=models.PROTECT, related_name="+", help_text="Whose regressor scores."
    )
    is_asked_again = models.BooleanField(default=False, help_text="Since it was begun: then it is done once more.")
    # How far the stage is.
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)

    class Meta(Job.Meta):
        # The table and its constraints were named chore before; the previous release still uses them.
        db_table = "labeler_chore"
        ordering = ("-id",)
        constraints: ClassVar = [
            *job_constraints("chore"),
            models.UniqueConstraint(
                fields=["study", "kind"],
                condition=Q(state__in=["queued", "running"]),
                name="one_chore_of_a_kind_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(kind="score", source__isnull=False) | (~Q(kind="score") & Q(source=None)),
                name="scoring_has_a_source",
            ),
        ]

    def __str__(self) -> str:
        return f"study job {self.pk}: {self.get_kind_display()}"

    @property
    def is_set_aside(self) -> bool:
        """Whether it failed and the same was not requested since."""
        return super().is_set_aside and not self._has_later()

    def _has_later(self) -> bool:
        return StudyJob.objects.filter(study=self.study_id, kind=self.kind, pk__gt=self.pk).exists()
