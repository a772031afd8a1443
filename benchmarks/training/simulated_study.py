"""A study of any size without photographs: images, readers at the published RMSE table, embeddings. All SIMULATED.

An embedding is what a network might make of a patch: 2,048 activations that are never negative, in which severity is
one of many things that show, and not in a straight line.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from labeler.models import Study
    from scoring.photograph.patches import Layout

REGIONS = ("forehead", "right_cheek", "left_cheek", "chin")
FACE_TRAITS, PATCH_TRAITS = 60, 20  # things that differ between faces, and between patches of one, beside acne
PATCH_SPREAD = 0.45  # grades: acne is not the same all over a face
SIGNAL = 0.025  # of a grade, beside traits of 0.55: a ridge regression then does about as the published model did
PUBLISHED_READERS = 11

Floats = NDArray[np.float32]


class Embedder:
    """Makes patches' embeddings from a severity: the same seed always the same world."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.base = rng.gamma(1.0, 0.35, 2048)
        self.severity = rng.normal(size=(3, 2048)) * SIGNAL
        self.traits = rng.normal(size=(FACE_TRAITS + PATCH_TRAITS, 2048)) / np.sqrt(FACE_TRAITS) * 0.55
        self.regions = rng.normal(size=(len(REGIONS), 2048)) * 0.25

    def embed(self, severity: float, rng: np.random.Generator) -> NDArray[np.float16]:
        """Return (4, 2048)."""
        of_patch = severity + rng.normal(0, PATCH_SPREAD, len(REGIONS))
        bends = np.stack([of_patch - 3, np.maximum(of_patch - 3.5, 0), np.minimum(of_patch - 2, 0)], axis=1)
        face = np.repeat(rng.normal(size=(1, FACE_TRAITS)), len(REGIONS), axis=0)
        traits = np.concatenate([face, rng.normal(size=(len(REGIONS), PATCH_TRAITS))], axis=1)
        active = self.base + bends @ self.severity + traits @ self.traits + self.regions
        noise = rng.normal(0, 0.25, active.shape)
        embeddings: NDArray[np.float16] = np.maximum(active + noise, 0).astype(np.float16)
        return embeddings


def make(*, images: int, golden_size: int, seed: int) -> "tuple[Study, NDArray[np.float64]]":
    """Make a study, dealt to eleven readers and graded, whose embeddings are stored. Returns it with the severities."""
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.models import Image, User
    from labeler.studies import studies
    from scoring.photograph.decoding import Selfie
    from scoring.photograph.quality import Quality
    from scoring.platform import blobs
    from scoring.regressor import feature_store, recipes
    from scoring.regressor.pipeline import PLAIN, Described
    from training.statistics import planning

    rng = np.random.default_rng(seed)
    severities = planning.draw_severities(images, rng)
    study = studies.create(
        slug="published", title="A study of the published size", is_simulated=True, seed=seed, secret=seed.to_bytes(32)
    )
    for number in range(PUBLISHED_READERS):
        user = User.objects.create_user(username=f"simulated-{number:02d}")
        studies.add_reader(study=study, user=user, is_simulated=True)
    hashes = [hashlib.sha256(f"{seed} {number}".encode()).hexdigest() for number in range(images)]
    Image.objects.bulk_create(
        Image(
            study=study,
            content_hash=name,
            source_name=f"IMG_{n}.jpg",
            original=f"originals/{name}",
            width=1200,
            height=1600,
            metadata={"skin": f"type {1 + n % 3}"},
        )
        for n, name in enumerate(hashes)
    )
    golden_draw.draw(study=study, size=golden_size)
    folds.deal(study=study)
    study.refresh_from_db()
    _grade(study, dict(zip(hashes, severities.tolist(), strict=True)), seed)
    embedder, recipe = Embedder(seed), recipes.ms2019()
    quality = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=3000, faces=1, face_size=0.5)
    for name, severity in zip(hashes, severities, strict=True):
        rows = embedder.embed(float(severity), rng)
        embeddings = {(region, PLAIN): row for region, row in zip(REGIONS, rows, strict=True)}
        packed = feature_store._pack(Described(_layout(), quality, embeddings))
        blobs.write(feature_store.storage_name(Selfie(name, bytes), recipe), packed)
    return study, severities


def _layout() -> "Layout":
    from scoring.photograph.patches import Layout, Patch

    return Layout("landmarks", tuple(Patch(region, (0, 0, 400, 300)) for region in REGIONS))


def _grade(study: "Study", severities: dict[str, float], seed: int) -> None:
    """Let every reader grade their whole list, at the published RMSE table."""
    from uuid import uuid4

    from django.db.models import Count, F, Q
    from django.utils import timezone

    from demo import simulated_readers
    from labeler.models import Assignment, Label, Reader

    rng = np.random.default_rng(seed + 1)
    behaviours = simulated_readers.calibrate(simulated_readers.PUBLISHED_RMSE, seed=seed)
    labels = []
    for behaviour, reader in zip(behaviours, study.readers.order_by("code"), strict=True):
        for assignment in reader.assignments.select_related("image").order_by("position"):
            seen = behaviour.see(severities[assignment.image.content_hash], float(rng.normal()))
            grade = int(simulated_readers.to_grades(seen))
            labels.append(Label(submission=uuid4(), assignment=assignment, version=1, grade=grade))
    Label.objects.bulk_create(labels, batch_size=2000)
    Assignment.objects.filter(reader__study=study).update(version=1, is_done=True, labeled_at=timezone.now())
    for reader in Reader.objects.filter(study=study).annotate(
        n=Count("assignments", filter=Q(assignments__is_done=True))
    ):
        Reader.objects.filter(pk=reader.pk).update(done=F("done") * 0 + reader.n)
