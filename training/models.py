"""Tables of training: runs."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeler.models import Image, Reader, Study, User
from scoring.models import Job, Regressor


class TrainingRun(Job):
    """One execution of retraining: a job, and afterwards its record."""

    PAGE, AGAIN = "training:run", "training:again"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="training_runs")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_nightly = models.BooleanField(default=False, db_default=False, editable=False)
    # ms2019 takes hours where the others take minutes: it is fitted when asked for, or when a week has passed.
    fits_ms2019 = models.BooleanField(default=False, db_default=False)
    # How far the stage is.
    done = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    total = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    stage_began_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # How it was made: the JSON of a RunRecord (training/runs/run_result.py), or nothing.
    record = models.JSONField(default=dict, db_default={}, editable=False)
    # Hash of the current labels it read: the same again means nothing new.
    label_snapshot = models.CharField(max_length=64, blank=True)
    # What it did not learn from, because the same person or photograph is in the golden set: hashes of their files.
    # Kept, because clusters and subjects may be corrected later.
    left_out = models.JSONField(default=list, editable=False)
    # One sentence for people: published, or why not.
    conclusion = models.TextField(blank=True)
    is_published = models.BooleanField(default=False)
    # What it found: the JSON of a RunReport (training/reports/contents.py), as `manage.py report --json` prints it.
    report = models.JSONField(null=True, blank=True)
    regressor = models.OneToOneField(
        Regressor, null=True, blank=True, on_delete=models.PROTECT, related_name="training_run"
    )

    # When its scores and the list of what it learned from were deleted, or began to be (training/runs/pruning.py).
    details_deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    are_details_gone = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta(Job.Meta):
        ordering = ("-id",)
        constraints: ClassVar = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["study"], condition=Q(state__in=["queued", "running"]), name="one_run_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def is_set_aside(self) -> bool:
        """Whether it failed and nothing came after it, neither a person's word nor another run."""
        return super().is_set_aside and not self.cancelled_by_id and not self._has_later()

    def _has_later(self) -> bool:
        return TrainingRun.objects.filter(study=self.study_id, pk__gt=self.pk).exists()

    @property
    def seconds_left(self) -> int | None:
        """How long the stage will take if it goes on as it did; None where that can't be told."""
        if not (self.stage_began_at and self.done and self.total):
            return None
        took = (timezone.now() - self.stage_began_at).total_seconds()
        return round(took / self.done * (self.total - self.done))


class Score(models.Model):
    """What a run's regressors said of an image they were not fitted on: from these its report can be recomputed."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="scores")
    # With an image goes what was said of it.
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="scores")
    recipe = models.CharField(max_length=40)
    # 0 is the fit that may be published, of the study's own seed; further ones are of the next seeds.
    fit = models.PositiveSmallIntegerField()
    value = models.FloatField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "recipe", "fit", "image"], name="one_score_per_fit_and_image")
        ]

    def __str__(self) -> str:
        return f"score {self.pk}"


class TrainingImage(models.Model):
    """An image that a run's regressors learn from or are chosen by.

    The database keeps golden images out of this table: the pair of image and `is_golden`, which is always false here,
    must stand in the table of images. So none can be put in, and none in it can be made golden later.
    """

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="training_images")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    is_golden = models.BooleanField(default=False, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "image"], name="trained_on_once_a_run"),
            models.CheckConstraint(condition=Q(is_golden=False), name="nothing_golden_is_trained_on"),
        ]

    def __str__(self) -> str:
        return f"image {self.image_id} in run {self.run_id}"


class LearnedFrom(models.Model):
    """Images that an old run's regressor learned from: many in one row, in the place of training images.

    Ids and no key: images are never deleted (labeler/privacy/erasing.py empties them), and a run has up to millions.
    """

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="learned_from")
    images = ArrayField(models.BigIntegerField())

    def __str__(self) -> str:
        return f"{len(self.images)} images in run {self.run_id}"


class ReaderDecision(models.Model):
    """What a person decided of a reader who stood out: whether they set a bar. The latest row holds."""

    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="decisions")
    counts = models.BooleanField()
    # What had been seen of the reader then; something new is to be decided anew.
    kinds = ArrayField(models.CharField(max_length=30))
    reason = models.CharField(max_length=300)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.reader} {'counts' if self.counts else 'does not count'}"
