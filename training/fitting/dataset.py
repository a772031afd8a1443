"""Graded images in two types that cannot be mixed up: training images and golden images."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.files.storage import default_storage
from django.db.models import Subquery

from labeler.grading import consensus
from labeler.images import image_groups
from labeler.images.image_groups import Groups
from labeler.models import Image, Label, Study
from scoring.photograph import decoding
from scoring.photograph.decoding import Selfie


@dataclass(frozen=True)
class _GradedImage:
    """Where an image's pixels come from."""

    content_hash: str
    original: str  # storage name
    turn: int | None  # as `labeler.models.Image` has it

    @property
    def selfie(self) -> Selfie:
        """A new Selfie each time: the pixels of thousands must not stay in memory."""
        return Selfie(self.content_hash, self._read, self.turn, decoding.STORED)

    def _read(self) -> bytes:
        with default_storage.open(self.original) as file:
            data: bytes = file.read()
        return data


@dataclass(frozen=True)
class OrdinaryImage(_GradedImage):
    """An image to learn from: its readers' current grades by the reader's code, in nearly every study a single one."""

    grades: dict[str, int]
    # Images of one group (of one subject, or near-duplicates) never stand on both sides of a split.
    group: str

    @property
    def grade(self) -> float:
        return sum(self.grades.values()) / len(self.grades)


@dataclass(frozen=True)
class GoldenImage(_GradedImage):
    """An image to be judged on: every reader's current grade by the reader's code. No fit accepts this type."""

    grades: dict[str, int]


@dataclass(frozen=True)
class GradedImages:
    """What the current labels of a study say, and their hash."""

    ordinary: tuple[OrdinaryImage, ...]
    golden: tuple[GoldenImage, ...]
    snapshot: str
    # Hashes of ordinary images of a person, or of a photograph, that is in the golden set too: neither trained on nor
    # judged on.
    left_out: tuple[str, ...]
    # Hashes of golden images that nothing may be judged on: their subject does not agree, or they are erased. Ordinary
    # ones of such subjects are left out with the others.
    golden_left_out: tuple[str, ...]
    # The running number of the newest label there was: what came later was not read.
    labels_until: int


def load_graded_images(study: Study) -> GradedImages:
    """Return the images with a current grade. An image that was called not gradable has none and is left out.

    Images come in the order of their hashes: a bootstrap draws the same ones, and a fit gives the same bits, in
    every process.
    """
    newest = Label.objects.filter(assignment__reader__study=study).order_by("-pk").values("pk")[:1]
    # In the same statement, so that it is the newest of what this very look at the table saw.
    labels = list(consensus.given_grades(study).annotate(newest=Subquery(newest)))
    grades: dict[Image, dict[str, int]] = defaultdict(dict)
    for label in labels:
        grades[label.assignment.image][label.assignment.reader.code] = label.grade or 0
    in_order = sorted(grades, key=lambda image: image.content_hash)
    golden = tuple(
        GoldenImage(image.content_hash, image.original, image.turn, grades[image])
        for image in in_order
        if image.is_golden and image.may_be_trained_on
    )
    together = image_groups.load(study)
    ordinary = [image for image in in_order if not image.is_golden]
    kept = [image for image in ordinary if image.may_be_trained_on and image.pk not in together.on_both_sides]
    left_out = sorted({image.content_hash for image in ordinary} - {image.content_hash for image in kept})
    names = _names(kept, together)
    return GradedImages(
        tuple(
            OrdinaryImage(image.content_hash, image.original, image.turn, grades[image], names[image.pk])
            for image in kept
        ),
        golden,
        snapshot=_snapshot(labels),
        left_out=tuple(left_out),
        golden_left_out=tuple(
            sorted(image.content_hash for image in grades if image.is_golden and not image.may_be_trained_on)
        ),
        labels_until=labels[0].newest if labels else 0,
    )


def _names(images: Sequence[Image], together: Groups) -> dict[int, str]:
    """Return image -> what its group is called: the smallest hash in it, so that it is called so in every database."""
    hashes: dict[int, str] = {}
    for image in images:
        group = together.group_of.get(image.pk, image.pk)
        hashes[group] = min(image.content_hash, hashes.get(group, image.content_hash))
    return {image.pk: hashes[together.group_of.get(image.pk, image.pk)] for image in images}


def _snapshot(labels: Sequence[Label]) -> str:
    """Hash what the labels say, in an order of its own: the same grades give the same hash."""
    facts = sorted(
        [label.assignment.image.content_hash, label.assignment.reader.code, label.grade or 0] for label in labels
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
