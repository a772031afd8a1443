"""The study's tables: fields and constraints, no logic."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class User(AbstractUser):
    """A person who signs in. What they may do hangs on Reader rows and Study.admins."""


class Study(models.Model):
    """One labeling campaign: images, readers, a grading scale."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    # Every draw, deal and fit of this study starts from this number.
    seed = models.PositiveIntegerField(default=2019)
    is_simulated = models.BooleanField(default=False, help_text="Its images are made, not photographed.")
    admins = models.ManyToManyField(User, related_name="administered_studies", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    golden_drawn_at = models.DateTimeField(null=True, blank=True)
    dealt_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.title


class GradeLevel(models.Model):
    """One step of a study's grading scale."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="grade_levels")
    value = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    criterion = models.TextField(blank=True)

    class Meta:
        ordering = ("value",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "value"], name="one_level_per_value"),
            # Each grade is given by one digit key, and 0 resets the zoom.
            models.CheckConstraint(condition=Q(value__gte=1, value__lte=9), name="level_has_a_digit_key"),
        ]

    def __str__(self) -> str:
        return f"{self.value} {self.name}"


class AtlasPicture(models.Model):
    """An example of one grade, for the readers of its study to compare with."""

    level = models.ForeignKey(GradeLevel, on_delete=models.CASCADE, related_name="atlas_pictures")
    file = models.CharField(max_length=200, help_text="Storage name of its WebP.")
    caption = models.CharField(max_length=200, blank=True, help_text="What to look at, and where the picture is from.")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"example of {self.level}"


class Reader(models.Model):
    """A dermatologist's place in one study."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="readers")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="readerships")
    # The pseudonym that charts and exports show.
    code = models.CharField(max_length=12)
    is_simulated = models.BooleanField(default=False, help_text="A program grades for this reader.")
    # Kept by labeler.grading as labels come: counting a long list anew for every page would take longer and longer.
    done = models.PositiveIntegerField(default=0, editable=False, help_text="Assignments that are done.")

    class Meta:
        ordering = ("code",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "user"], name="one_readership_per_study"),
            models.UniqueConstraint(fields=["study", "code"], name="one_reader_per_code"),
        ]

    def __str__(self) -> str:
        return self.code


class Image(models.Model):
    """One selfie in a study."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="images")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the file as it came; no-file:... without one.")
    source_name = models.CharField(max_length=255, help_text="Its name when it came; no reader sees it.")
    original = models.CharField(max_length=200, blank=True, help_text="Storage name of the file as it came.")
    rendition = models.CharField(
        max_length=200, blank=True, help_text="What the storage names of `labeler.renditions` begin with."
    )
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    # The person in it, where known: a subject is never on both sides of a split.
    subject = models.CharField(max_length=100, blank=True)
    is_golden = models.BooleanField(default=False)
    fold = models.ForeignKey(Reader, null=True, blank=True, on_delete=models.PROTECT, related_name="fold_images")
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "content_hash"], name="imported_once"),
            # A golden image belongs to every reader, so it has no fold.
            models.CheckConstraint(condition=Q(is_golden=False) | Q(fold=None), name="golden_has_no_fold"),
        ]
        indexes: ClassVar = [models.Index(fields=["study"], condition=Q(is_golden=True), name="golden_of_study")]

    def __str__(self) -> str:
        return f"image {self.pk}"

    @property
    def has_file(self) -> bool:
        """Whether there are pixels: an image imported with its labels alone has none."""
        return bool(self.original)


class Assignment(models.Model):
    """This reader is to grade this image, at this position of their list."""

    # What the reader's browser knows the image by: random, and another for every reader.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reader = models.ForeignKey(Reader, on_delete=models.PROTECT, related_name="assignments")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="assignments")
    position = models.PositiveIntegerField()
    # Counts its labels: the latest has this version, and who writes must name the one they saw.
    version = models.PositiveIntegerField(default=0)
    is_done = models.BooleanField(default=False)
    labeled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("reader", "position")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reader", "image"], name="dealt_once"),
            models.UniqueConstraint(fields=["reader", "position"], name="one_image_per_position"),
        ]
        indexes: ClassVar = [
            # Finds the next image of a reader however long the list is.
            models.Index(fields=["reader", "position"], condition=Q(is_done=False), name="still_to_grade"),
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

    def __str__(self) -> str:
        return f"label {self.pk}"


class Job(models.Model):
    """Work to be done once, whatever happens to the broker or the workers. `labeler.jobs` moves it along."""

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
