"""A study, its grading scale with examples, its readers, and how it was dealt."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Concat, Length
from django.db.models.lookups import Exact

from labeler.models.people import User

SECRET_BYTES = 32
LONGEST_SHORTEST_LOOK = 2000  # ms: a reader must not wait for the page


def draw_seed() -> int:
    """Return a number for a study's fits to start from."""
    return secrets.randbelow(2**31)


def draw_secret() -> bytes:
    """Return a secret: whoever knew it could deal the study again and see which images are golden."""
    return secrets.token_bytes(SECRET_BYTES)


def _secret_of_database() -> Func:
    """Return a secret that PostgreSQL draws: 366 bits of its strong random source, hashed to 256."""
    uuids = [Cast(RandomUUID(), models.TextField()) for _ in range(3)]
    drawn = Func(Concat(*uuids), Value("UTF8"), function="convert_to")
    return Func(drawn, function="sha256", output_field=models.BinaryField())


class Study(models.Model):
    """One labeling campaign: images, readers, a grading scale."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    # Every draw, order and code of this study comes of it (`labeler.record.keyed_draws`). Nobody is shown it.
    # The database draws one for rows that a release before this one writes.
    secret = models.BinaryField(default=draw_secret, db_default=_secret_of_database(), max_length=SECRET_BYTES)
    # Fits start from this number. It tells nothing of the secret, and is not shown before closing either:
    # the lists of a study that an earlier release dealt came of it.
    seed = models.PositiveIntegerField(default=draw_seed)
    is_simulated = models.BooleanField(default=False, help_text="Its images are made, not photographed.")
    admins = models.ManyToManyField(User, related_name="administered_studies", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    golden_drawn_at = models.DateTimeField(null=True, blank=True)
    dealt_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="From then on no grade is taken.")
    reports_released_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From then on each reader sees their own report."
    )
    retrain_at = models.TimeField(null=True, blank=True, help_text="When it is retrained; empty: when all others are.")
    needs_consent = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Images without a known consent are neither dealt nor learned from.",
    )
    # The page takes no label before; what came sooner all the same is counted on the page of oversight.
    shortest_look_ms = models.PositiveSmallIntegerField(
        default=250,
        db_default=250,
        validators=[MaxValueValidator(LONGEST_SHORTEST_LOOK)],
        help_text="Milliseconds that an image must be seen before a label is taken.",
    )
    # Retention: photographs are erased on the earlier of the two days.
    erase_on = models.DateField(null=True, blank=True)
    erase_months_after_closing = models.PositiveSmallIntegerField(null=True, blank=True)
    # Keeps facts from being guessed by their hashes in the ledger.
    ledger_salt = models.UUIDField(default=uuid.uuid4, db_default=RandomUUID(), editable=False)

    class Meta:
        verbose_name_plural = "studies"
        constraints: ClassVar = [
            # A reader who still grades must not learn how they do, nor which of their images were golden.
            models.CheckConstraint(
                condition=Q(reports_released_at=None) | Q(closed_at__isnull=False), name="released_after_closing"
            ),
            models.CheckConstraint(condition=Exact(Length(F("secret")), SECRET_BYTES), name="secret_has_256_bits"),
        ]

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
    # Kept by labeler.grading.label_store as labels come:
    # counting a long list anew for every page would take longer and longer.
    done = models.PositiveIntegerField(default=0, editable=False, help_text="Assignments that are done.")
    # Kept by labeler.images.consents likewise.
    skipped = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Images of the list that are not done and may not be graded any more.",
    )
    capacity = models.PositiveIntegerField(
        null=True, blank=True, help_text="Longest list this reader can take, golden images and repeats included."
    )
    accepted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From then on they see of the study what a reader sees."
    )
    left_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("code",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "user"], name="one_readership_per_study"),
            models.UniqueConstraint(fields=["study", "code"], name="one_reader_per_code"),
        ]

    def __str__(self) -> str:
        return self.code


class JudgingRule(models.Model):
    """By which rule a study's machine is held against its readers. Rows are only added: the latest holds."""

    class Against(models.TextChoices):
        WORST = "worst", "The worst reader"
        MEDIAN = "median", "The median reader, whom one careless reader can't move far"

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="judging_rules")
    against = models.CharField(max_length=10, choices=Against, default=Against.WORST)
    margin = models.FloatField(help_text="Grades of RMSE: the machine must be shown to be less than this farther off.")
    active_margin = models.FloatField(help_text="The same against the regressor in service.")
    after_reading = models.BooleanField(help_text="Whether a reader had graded before it was set.")
    reason = models.CharField(max_length=300, blank=True)
    set_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(margin__gte=0, active_margin__gt=0), name="margins_are_margins"),
            models.CheckConstraint(condition=Q(after_reading=False) | ~Q(reason=""), name="late_rule_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.against}, {self.margin:g}"


class Commitment(models.Model):
    """The promise made when the golden set was drawn: shown at once as a hash, opened when the study closes."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="commitment")
    # The bytes of the file that is opened. A salt in it keeps them from being found by trying.
    opening = models.TextField(editable=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the opening.")

    def __str__(self) -> str:
        return self.digest


class Dealing(models.Model):
    """One act of dealing: the first, or a later change of the lists. The latest can be undone."""

    class Kind(models.TextChoices):
        FIRST = "first", "The study was dealt"
        IMAGES = "images", "Images were added"
        JOIN = "join", "A reader joined"
        LEAVE = "leave", "A reader left"
        ORDER = "order", "Lists were put in another order"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="dealings")
    kind = models.CharField(max_length=10, choices=Kind)
    reader = models.ForeignKey(Reader, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    plan = models.JSONField(default=dict, help_text="What was asked for.")
    reason = models.CharField(max_length=300, blank=True)
    dealt_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    dealt_at = models.DateTimeField(auto_now_add=True)
    reversed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.dealt_at:%Y-%m-%d}"
