"""The study's tables: fields and constraints, no logic."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Collate, Lower
from django.utils import timezone

from scoring.models import Job


class Role(models.TextChoices):
    """What somebody may be given a place as."""

    ADMIN = "admin", "Runs studies"
    READER = "reader", "Reads studies"
    AUDITOR = "auditor", "Sees every study's log and numbers, changes nothing"


class User(AbstractUser):
    """A person who signs in. What they may do hangs on Reader rows and Study.admins, as far as their roles go."""

    # Set anew at every sign-in through a provider: a place in a study counts only while the role for it is held.
    roles = ArrayField(
        models.CharField(max_length=10, choices=Role),
        null=True,
        blank=True,
        help_text="None: a local account, which roles do not limit.",
    )
    # Every session remembers the number it began under, and ends at the next request once this one is larger.
    role_version = models.PositiveIntegerField(default=0, editable=False)
    # Who runs a study read it on a page: it opens nothing but the page that takes another.
    password_is_given = models.BooleanField(default=False, db_default=False, editable=False)

    def holds(self, role: Role) -> bool:
        """Whether a place of this kind counts. Nobody audits who was not made an auditor."""
        return role != Role.AUDITOR if self.roles is None else role in self.roles


class Invitation(models.Model):
    """Somebody may come in whom the identity provider gives no role. The first identity to use it keeps it."""

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
    # Both are worth nothing to anybody without the client's secret.
    id_token = models.TextField()
    refresh_token = models.TextField(blank=True)
    began_at = models.DateTimeField(default=timezone.now)
    # Claimed by a conditional UPDATE, since most providers take a refresh token once.
    asked_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"session {self.pk}"


def draw_seed() -> int:
    """Return a seed that nobody can guess: who knew it could deal the study again and see what is golden."""
    return secrets.randbelow(2**31)


class Study(models.Model):
    """One labeling campaign: images, readers, a grading scale."""

    slug = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    # Every draw, deal and fit of this study starts from this number.
    seed = models.PositiveIntegerField(default=draw_seed)
    is_simulated = models.BooleanField(default=False, help_text="Its images are made, not photographed.")
    admins = models.ManyToManyField(User, related_name="administered_studies", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    golden_drawn_at = models.DateTimeField(null=True, blank=True)
    dealt_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="From then on nobody grades.")
    reports_released_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="From then on each reader sees their own report."
    )
    retrain_at = models.TimeField(null=True, blank=True, help_text="When it is retrained; empty: when all others are.")
    needs_consent = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Images of whom no consent is known are neither dealt nor learned from.",
    )
    # Retention: photographs are erased on the earlier of the two days.
    erase_on = models.DateField(null=True, blank=True)
    erase_months_after_closing = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "studies"
        constraints: ClassVar = [
            # Who still grades must not learn how they do, nor which of their images were golden.
            models.CheckConstraint(
                condition=Q(reports_released_at=None) | Q(closed_at__isnull=False), name="released_after_closing"
            ),
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
    # Kept by labeler.grading as labels come: counting a long list anew for every page would take longer and longer.
    done = models.PositiveIntegerField(default=0, editable=False, help_text="Assignments that are done.")
    # Kept by labeler.consents likewise.
    skipped = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Images of the list that are not done and that nobody may grade any more.",
    )
    capacity = models.PositiveIntegerField(
        null=True, blank=True, help_text="Longest list this reader can take, golden images and repeats included."
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
    metadata = models.JSONField(default=dict, blank=True, help_text="What else is known of it: column -> value.")
    # The smallest id among its near-duplicates; none where it has none. `labeler.duplicates` keeps it.
    cluster = models.PositiveBigIntegerField(null=True, blank=True, db_index=True)
    # What prescreening says: the measures it fails, what a person said over that, and so whether it is used.
    failed = models.CharField(max_length=200, blank=True, help_text="Measures outside their limits.")
    override = models.BooleanField(null=True, blank=True, help_text="A person's word: keep it or drop it.")
    is_kept = models.BooleanField(default=True)
    is_chosen = models.BooleanField(default=False, help_text="Picked by hand for the golden set to come.")
    is_golden = models.BooleanField(default=False)
    # What its subject agreed to; `labeler.consents` keeps the three.
    may_be_graded = models.BooleanField(default=True, db_default=True)
    may_be_trained_on = models.BooleanField(default=True, db_default=True)
    may_be_shared = models.BooleanField(default=True, db_default=True)
    is_erased = models.BooleanField(
        default=False, db_default=False, help_text="Asked to be: from then on nobody is shown it."
    )
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "content_hash"], name="imported_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["study"], condition=Q(is_golden=True), name="golden_of_study"),
            models.Index(fields=["study"], condition=Q(is_kept=False), name="dropped_of_study"),
            models.Index(fields=["study"], condition=Q(may_be_graded=False), name="shut_of_study"),
            models.Index(fields=["study"], condition=Q(is_erased=True), name="erased_of_study"),
            # Goes through the subjects by name.
            models.Index(fields=["study", "subject", "id"], condition=~Q(subject=""), name="subject_of_study"),
            # The gallery's filters.
            models.Index("study", Collate("source_name", "C"), "id", name="name_begins_with"),
            models.Index(fields=["study", "-id"], condition=~Q(metadata={}), name="metadata_of_study"),
            GinIndex(fields=["metadata"], opclasses=["jsonb_path_ops"], name="metadata_value"),
        ]

    def __str__(self) -> str:
        return f"image {self.pk}"

    @property
    def has_file(self) -> bool:
        """Whether there are pixels: an image imported with its labels alone has none."""
        return bool(self.original)


class ConsentScope(models.TextChoices):
    """What a person may agree to."""

    GRADING = "grading", "Dermatologists grade the photographs"
    TRAINING = "training", "A regressor learns from them and is judged on them"
    SHARING = "sharing", "They may be shared or published"


class Consent(models.Model):
    """What a subject agreed to at one time, or that they took it back; the latest counts."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="consents")
    subject = models.CharField(max_length=100, help_text="As images have it; once erased, a pseudonym.")
    scopes = ArrayField(models.CharField(max_length=10, choices=ConsentScope), default=list, blank=True)
    given_on = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=200, blank=True, help_text="Where it is written down: a form, a file.")
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [models.Index(fields=["study", "subject", "-id"], name="consent_of_subject")]

    def __str__(self) -> str:
        return ", ".join(self.scopes) or "nothing"


class Measurement(models.Model):
    """What `scoring.quality` says of an image, and the fingerprint that finds its near-duplicates.

    The indexes find the few images that a limit would drop among a million.
    """

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="measurement")
    exposure = models.FloatField(db_index=True, help_text="Mean lightness, 0 black to 1 white.")
    contrast = models.FloatField(db_index=True, help_text="Standard deviation of lightness, 0 to 0.5.")
    sharpness = models.FloatField(db_index=True, help_text="Logarithm of the variance of the Laplacian.")
    short_side = models.PositiveIntegerField(db_index=True, help_text="Pixels.")
    faces = models.PositiveSmallIntegerField(db_index=True, help_text="Faces found.")
    face_size = models.FloatField(
        db_index=True, help_text="Height of the largest face as a share of the image's; 0 without one."
    )
    fingerprint = models.BinaryField(help_text="`scoring.fingerprints`.")

    def __str__(self) -> str:
        return f"measurement of image {self.image_id}"


class ProvisionalScore(models.Model):
    """What the regressor of another study says of an image, before anybody grades it."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="provisional")
    score = models.FloatField()
    grade = models.SmallIntegerField(help_text="The score, cut half-way between two grades.")
    regressor_id = models.PositiveBigIntegerField(help_text="Of `scoring.models.Regressor`, which may be gone.")
    scored_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"provisional score of image {self.image_id}"


class PrescreenRule(models.Model):
    """The limits an image must keep, as somebody set them; the latest of a study counts."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="prescreen_rules")
    limits = models.JSONField(help_text="Measure -> [smallest, largest]; null is no limit.")
    reason = models.CharField(max_length=300, blank=True)
    set_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"limits of {self.set_at:%Y-%m-%d %H:%M}"


class PrescreenDecision(models.Model):
    """Somebody kept or dropped an image whatever its measures say; the latest counts."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="decisions")
    is_kept = models.BooleanField(null=True, help_text="None goes back to what the measures say.")
    reason = models.CharField(max_length=300)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"decision on image {self.image_id}"


class SimilarPair(models.Model):
    """Two images that look like one photograph; those not called distinct are joined to clusters."""

    class Verdict(models.TextChoices):
        SUSPECTED = "suspected", "Suspected"
        CONFIRMED = "confirmed", "The same photograph"
        DISTINCT = "distinct", "Different photographs"

    first = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+")
    distance = models.PositiveSmallIntegerField(help_text="Bits in which the fingerprints differ.")
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.SUSPECTED)
    judged_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["first", "second"], name="one_pair_of_two_images"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="pair_in_order"),
        ]

    def __str__(self) -> str:
        return f"images {self.first_id} and {self.second_id}"

    @property
    def both(self) -> tuple[Image, Image]:
        return self.first, self.second


class Commitment(models.Model):
    """The promise made when the golden set was drawn: shown at once as a hash, opened when the study closes."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="commitment")
    # The bytes of the file that is opened: with a salt in it, so that nobody finds them by trying.
    opening = models.TextField(editable=False)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the opening.")

    def __str__(self) -> str:
        return self.digest


class Dealing(models.Model):
    """One act of dealing: the first, or a later change of who reads what. The latest can be taken back."""

    class Kind(models.TextChoices):
        FIRST = "first", "The study was dealt"
        IMAGES = "images", "Images were added"
        JOIN = "join", "A reader joined"
        LEAVE = "leave", "A reader left"

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
    # Counts its labels: the latest has this version, and who writes must name the one they saw.
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
            # Finds the few images that somebody called not gradable, whatever the number of labels.
            models.Index(fields=["not_gradable", "assignment"], condition=~Q(not_gradable=""), name="not_gradable_why")
        ]

    def __str__(self) -> str:
        return f"label {self.pk}"


class ErasedNote(models.Model):
    """What stands for a note that was erased with its image: its hash, by which the ledger knows the label."""

    label = models.OneToOneField(Label, on_delete=models.PROTECT, primary_key=True)
    note_sha256 = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"note of label {self.label_id}"


class StudyTally(models.Model):
    """How far a study's labels are counted into the tables below. `labeler.tallies` keeps all of them."""

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


def draw_salt() -> str:
    """Return what keeps an act from being guessed by its hash, which leaves the installation in exports."""
    return secrets.token_hex(16)


class Erasure(Job):
    """Somebody's photographs are erased, with all that was made of them: a job, and afterwards its certificate."""

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


class Chore(Job):
    """Work over a whole study that a button asked a worker for."""

    PAGE, AGAIN = "chore", "retry_chore"

    class Kind(models.TextChoices):
        MEASURE = "measure", "measuring images"
        LIMITS = "limits", "applying limits"
        DUPLICATES = "duplicates", "searching near-duplicates"
        SCORE = "score", "scoring provisionally"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="chores")
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
        ordering = ("-id",)
        constraints: ClassVar = [
            *Job.Meta.constraints,
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
        return f"chore {self.pk}: {self.get_kind_display()}"

    @property
    def is_set_aside(self) -> bool:
        """Whether it failed and nobody asked for the same since."""
        return super().is_set_aside and not self._has_later()

    def _has_later(self) -> bool:
        return Chore.objects.filter(study=self.study_id, kind=self.kind, pk__gt=self.pk).exists()


class AuditEvent(models.Model):
    """Somebody did something to a study, or signed in. Rows are only ever added (a trigger sees to it)."""

    study = models.ForeignKey(
        Study, null=True, on_delete=models.PROTECT, related_name="audit_events", help_text="None: the whole site."
    )
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+", help_text="None: a command.")
    action = models.CharField(max_length=40)
    detail = models.CharField(max_length=500, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    origin = models.CharField(
        max_length=45, blank=True, db_default="", help_text="The address it came from, as far as it is kept."
    )
    at = models.DateTimeField(default=timezone.now, editable=False)
    salt = models.CharField(max_length=32, default=draw_salt, db_default="", editable=False)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=["study", "-id"], name="audit_of_study"),
            # The log's filters.
            models.Index(fields=["study", "action", "-id"], name="audit_by_action"),
            models.Index(fields=["study", "user", "-id"], name="audit_by_person"),
            models.Index(fields=["at", "id"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.detail}"


class LedgerMark(models.Model):
    """Up to which ids labels and acts are settled: no transaction is left that could still add one below them.

    There is one row. `labeler.ledger` moves it on.
    """

    labels = models.PositiveBigIntegerField(default=0, help_text="Every label up to this id is settled.")
    events = models.PositiveBigIntegerField(default=0)
    # What was newest at a moment, and the transactions that had begun by then: settled once these have ended.
    seen_labels = models.PositiveBigIntegerField(default=0)
    seen_events = models.PositiveBigIntegerField(default=0)
    seen_at = models.DateTimeField(default=timezone.now)
    seen_transactions = models.PositiveBigIntegerField(default=0, help_text="Those that begin later have this number.")

    def __str__(self) -> str:
        return f"settled up to label {self.labels} and act {self.events}"


class LedgerBlock(models.Model):
    """Labels and acts of a study, sealed: who changes one of them, or an earlier block, no longer fits its hash.

    Rows are only ever added (a trigger sees to it). What is hashed, and how: `labeler.ledger`.
    """

    study = models.ForeignKey(
        Study, null=True, on_delete=models.PROTECT, related_name="ledger_blocks", help_text="None: the whole site."
    )
    number = models.PositiveIntegerField(help_text="From 1 on, without a gap.")
    previous = models.CharField(max_length=64, help_text="Digest of the block before.")
    rows = models.BinaryField(help_text="Of each row in order its kind, its id and its SHA-256: 41 bytes.")
    rows_sha256 = models.CharField(max_length=64)
    # Where the next block goes on.
    labels_until = models.BigIntegerField()
    events_until = models.BigIntegerField()
    heads = models.JSONField(default=dict, help_text="In a block of the site: every study's latest block.")
    sealed_at = models.DateTimeField()
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ("number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "number"], nulls_distinct=False, name="one_block_per_number"),
        ]

    def __str__(self) -> str:
        return f"block {self.number} of {self.study or 'the site'}"
