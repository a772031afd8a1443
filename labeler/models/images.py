"""Images, and what is known, measured, decided and agreed to about each."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Collate

from labeler.models.people import User
from labeler.models.studies import Study


class Image(models.Model):
    """One selfie in a study."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="images")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the file as it came; no-file:... without one.")
    source_name = models.CharField(max_length=255, help_text="Its name when it came; no reader sees it.")
    original = models.CharField(max_length=200, blank=True, help_text="Storage name of the file as it came.")
    rendition = models.CharField(
        max_length=200, blank=True, help_text="What the storage names of `labeler.images.renditions` begin with."
    )
    rendition_sha256 = models.JSONField(
        default=dict, db_default={}, editable=False, help_text="Size -> SHA-256 of the rendition as it was made."
    )
    # Renditions, measures and embeddings are of the turned photograph.
    turn = models.SmallIntegerField(
        null=True, blank=True, help_text="Quarter turns clockwise from its file; none where nothing looked for a face."
    )
    is_turned_by_hand = models.BooleanField(
        default=False, db_default=False, help_text="An admin said what is up, not its face."
    )
    width = models.PositiveIntegerField(help_text="Of the turned photograph, in pixels.")
    height = models.PositiveIntegerField()
    # The person in it, where known: a subject is never on both sides of a split.
    subject = models.CharField(max_length=100, blank=True)
    metadata = models.JSONField(default=dict, blank=True, help_text="What else is known of it: column -> value.")
    # The smallest id among its near-duplicates; none where it has none. `labeler.screening.near_duplicates` keeps it.
    cluster = models.PositiveBigIntegerField(null=True, blank=True, db_index=True)
    # What prescreening says: the measures it fails, what a person said over that, and so whether it is used.
    failed = models.CharField(max_length=200, blank=True, help_text="Measures outside their limits.")
    override = models.BooleanField(null=True, blank=True, help_text="A person's word: keep it or drop it.")
    is_kept = models.BooleanField(default=True)
    is_chosen = models.BooleanField(default=False, help_text="Picked by hand for the golden set to come.")
    is_golden = models.BooleanField(default=False)
    # What may be done with it: what its subject agreed to, and nothing but sharing once it was taken out.
    # `labeler.images.consents` keeps the three.
    may_be_graded = models.BooleanField(default=True, db_default=True)
    may_be_trained_on = models.BooleanField(default=True, db_default=True)
    may_be_shared = models.BooleanField(default=True, db_default=True)
    is_erased = models.BooleanField(
        default=False, db_default=False, help_text="To be erased: from then on it is not shown."
    )
    is_taken_out = models.BooleanField(
        default=False, db_default=False, help_text="By an admin, for a reason that the audit log has."
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
            models.Index(fields=["study"], condition=Q(may_be_trained_on=False), name="uncounted_of_study"),
            models.Index(fields=["study"], condition=Q(is_erased=True), name="erased_of_study"),
            models.Index(fields=["study"], condition=Q(turn__gt=0) | Q(is_turned_by_hand=True), name="turned_of_study"),
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
    def degrees(self) -> int:
        """How far it was turned clockwise from its file."""
        return 90 * (self.turn or 0)

    @property
    def has_file(self) -> bool:
        """Whether there are pixels: an image imported with its labels alone has none."""
        return bool(self.original)


class Alias(models.Model):
    """Another name under which an image's file came: a copy in another folder, or one renamed."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=255)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["image", "name"], name="one_row_per_alias")]
        # The gallery's filter.
        indexes: ClassVar = [models.Index(Collate("name", "C"), "image", name="alias_begins_with")]

    def __str__(self) -> str:
        return self.name


class ErasedName(models.Model):
    """A name under which an erased file came, by keyed hashes alone: no table may take it for another file's."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="erased_names")
    ends = ArrayField(
        models.CharField(max_length=16), help_text="Of the base name, of the last folder and it, and so on."
    )
    exact = models.CharField(max_length=16, help_text="Of the name as it was written.")
    kind = models.CharField(max_length=10, blank=True, help_text="The kind of picture.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["study", "exact"], name="one_row_per_erased_name")]

    def __str__(self) -> str:
        return "an erased name"


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
    """What `scoring.photograph.quality` says of an image, and the fingerprint that finds its near-duplicates.

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
    fingerprint = models.BinaryField(help_text="`scoring.photograph.fingerprints`.")

    def __str__(self) -> str:
        return f"measurement of image {self.image_id}"


class ProvisionalScore(models.Model):
    """The score that another study's regressor gives an ungraded image."""

    image = models.OneToOneField(Image, on_delete=models.CASCADE, primary_key=True, related_name="provisional")
    score = models.FloatField()
    grade = models.SmallIntegerField(help_text="The score, cut half-way between two grades.")
    regressor_id = models.PositiveBigIntegerField(help_text="Of `scoring.models.Regressor`, which may be gone.")
    scored_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"provisional score of image {self.image_id}"


class PrescreenRule(models.Model):
    """The limits an image must keep; a study's latest row counts."""

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
    """A person's decision to keep or drop an image whatever its measures; the latest counts."""

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
