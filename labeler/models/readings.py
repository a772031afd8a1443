"""Assignments, labels, and the tallies of the oversight pages."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeler.models.images import Image
from labeler.models.studies import Dealing, Reader, Study


class Assignment(models.Model):
    """This reader is to grade this image, at this position of their list."""

    # What the reader's browser knows the image by: random, and another for every reader.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # The constraints below are indexes that begin with it.
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="assignments", db_index=False)
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="assignments")
    # None once it was taken from the reader's list, as when they left.
    position = models.PositiveIntegerField(null=True)
    is_repeat = models.BooleanField(default=False, help_text="The second reading of an image.")
    # Looked up when a change is taken back, which may take its time; every dealt row would pay for an index.
    dealing = models.ForeignKey(
        Dealing, null=True, on_delete=models.PROTECT, related_name="assignments", db_index=False
    )
    withdrawn_in = models.ForeignKey(
        Dealing, null=True, on_delete=models.PROTECT, related_name="withdrawn", db_index=False
    )
    # The number of its labels: the latest has this version, and a writer must name the version it saw.
    version = models.PositiveIntegerField(default=0)
    is_done = models.BooleanField(default=False)
    labeled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("reader", "position")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reader", "image", "is_repeat"], name="dealt_once"),
            # Deferred: putting a list into another order passes through doubles.
            models.UniqueConstraint(
                fields=["reader", "position"], name="one_image_per_position", deferrable=models.Deferrable.DEFERRED
            ),
            models.CheckConstraint(
                condition=Q(position__isnull=False, withdrawn_in=None) | Q(position=None, withdrawn_in__isnull=False),
                name="withdrawn_has_no_position",
            ),
        ]
        indexes: ClassVar = [
            # Finds the next image of a reader however long the list is.
            models.Index(
                fields=["reader", "position"], condition=Q(is_done=False, withdrawn_in=None), name="still_to_grade"
            ),
            # Finds what a reader graded last.
            models.Index(fields=["reader", "-labeled_at"], condition=Q(is_done=True), name="lately_graded"),
        ]

    def __str__(self) -> str:
        return f"{self.reader_id} #{self.position}"


class NotGradable(models.TextChoices):
    """Why an image has no grade."""

    BLURRED = "blurred", "Blurred"
    BADLY_LIT = "badly_lit", "Badly lit"
    NOT_A_FACE = "not_a_face", "Not a face"
    NOT_ACNE = "not_acne", "Not acne"
    OCCLUDED = "occluded", "Covered or made up"
    DUPLICATE = "duplicate", "Seen before"
    OTHER = "other", "Something else"


class InputKind(models.TextChoices):
    """What the reader graded with."""

    KEYBOARD = "keyboard", "Keyboard"
    MOUSE = "mouse", "Mouse"
    TOUCH = "touch", "Touch"
    PEN = "pen", "Pen"


class Label(models.Model):
    """One stored act of grading. Rows are only ever added (a trigger sees to it); the latest is current."""

    # Made in the browser, once per act: the same act sent twice is one label.
    submission = models.UUIDField(unique=True)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="labels")
    version = models.PositiveIntegerField()
    grade = models.PositiveSmallIntegerField(null=True)
    not_gradable = models.CharField(max_length=12, choices=NotGradable, blank=True)
    note = models.CharField(max_length=200, blank=True)
    is_undo = models.BooleanField(default=False)
    # How the reader saw the image; empty where the page could not tell.
    visible_ms = models.PositiveIntegerField(null=True, help_text="Milliseconds the decoded image was on the screen.")
    zoom = models.FloatField(null=True, help_text="Largest zoom used; 1 is the whole image in the window.")
    viewport_width = models.PositiveIntegerField(null=True, help_text="CSS pixels.")
    viewport_height = models.PositiveIntegerField(null=True, help_text="CSS pixels.")
    pixel_ratio = models.FloatField(null=True, help_text="Device pixels per CSS pixel.")
    input_kind = models.CharField(max_length=10, choices=InputKind, blank=True)
    # When the reader gave it: now, or long ago where labels are imported.
    labeled_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "version"], name="one_label_per_version"),
            models.CheckConstraint(
                condition=(
                    Q(grade__isnull=False, not_gradable="", is_undo=False)
                    | (Q(grade__isnull=True, is_undo=False) & ~Q(not_gradable=""))
                    | Q(grade__isnull=True, not_gradable="", is_undo=True)
                ),
                name="a_grade_or_a_reason_or_an_undo",
            ),
        ]
        indexes: ClassVar = [
            # Finds the few images called not gradable, whatever the number of labels.
            models.Index(fields=["not_gradable", "assignment"], condition=~Q(not_gradable=""), name="not_gradable_why"),
        ]

    def __str__(self) -> str:
        return f"label {self.pk}"


class StudyTally(models.Model):
    """How far a study's labels are counted into the tables below. `labeler.oversight.tallies` keeps all of them."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, primary_key=True, related_name="tally")
    counted = models.PositiveBigIntegerField(default=0, help_text="Every label up to this id is counted.")
    # A label takes its id before it is committed, so the newest ids are left until those before them must be there.
    seen = models.PositiveBigIntegerField(help_text="The newest label's id at that moment.")
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"tally of study {self.study_id}"


class DayTally(models.Model):
    """What a reader did on one day."""

    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    labels = models.PositiveIntegerField(help_text="Grades and reasons given, changes too.")
    images = models.IntegerField(help_text="Images finished, less those taken back.")
    timed_images = models.IntegerField(help_text="Those of them that came without a break before them.")
    milliseconds = models.PositiveBigIntegerField(help_text="Of grading, breaks excluded.")
    hasty = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Labels given sooner than the study's shortest look."
    )
    last_at = models.DateTimeField(help_text="When the latest of its labels was given.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reader", "day"], name="one_tally_per_day")]

    def __str__(self) -> str:
        return f"{self.reader_id} on {self.day}"


class ReasonTally(models.Model):
    """How many images a reader calls not gradable for one reason now."""

    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="reasons")
    reason = models.CharField(max_length=12, choices=NotGradable)
    images = models.IntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reader", "reason"], name="one_tally_per_reason")]

    def __str__(self) -> str:
        return f"{self.reader_id}: {self.reason}"


class TimeTally(models.Model):
    """How many labels a reader gave after looking at the image for about this long: a histogram."""

    reader = models.ForeignKey(Reader, on_delete=models.CASCADE, related_name="times")
    step = models.PositiveSmallIntegerField(help_text="From 1.1 ** step milliseconds on, up to the next step.")
    labels = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["reader", "step"], name="one_tally_per_step")]

    def __str__(self) -> str:
        return f"{self.reader_id}: {self.step}"


class Doubt(models.Model):
    """Readers disagree over an image, or one of them with themself."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="doubt")
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="doubts")
    spread = models.FloatField(default=0, help_text="Standard deviation of the readers' current grades.")
    lowest = models.PositiveSmallIntegerField(null=True, help_text="Of the readers' current grades.")
    highest = models.PositiveSmallIntegerField(null=True)
    unstable = models.PositiveIntegerField(default=0, help_text="Readers who say now what they did not say before.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["study", "-spread", "image"], condition=Q(spread__gt=0), name="disputed_images"),
            models.Index(fields=["study", "-unstable", "image"], condition=Q(unstable__gt=0), name="unstable_images"),
        ]

    def __str__(self) -> str:
        return f"doubt about image {self.image_id}"
