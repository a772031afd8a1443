"""Dealing: every reader gets a fold of the ordinary images and, hidden in it, the whole golden set."""

import random
from dataclasses import dataclass
from itertools import islice

from django.db import transaction
from django.utils import timezone

from labeler import prescreen
from labeler.models import Assignment, Image, Reader, Study


class DealError(ValueError):
    """Why the study can't be dealt, as a sentence for people."""


@dataclass(frozen=True)
class Deal:
    """What was dealt: ordinary images per reader code, and the size of the golden set each also got."""

    folds: dict[str, int]
    golden: int


@transaction.atomic
def deal(*, study: Study) -> Deal:
    """Deal the study once, by its seed: fold sizes differ by at most one, each list is shuffled for itself.

    Raises DealError; then nothing is dealt.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    readers = list(study.readers.order_by("code"))
    _check(study, readers)
    golden = list(study.images.filter(is_golden=True).order_by("content_hash"))
    folds = _deal_folds(study, readers)
    for reader in readers:
        _deal_list(study, reader, [*folds[reader], *golden])
    study.dealt_at = timezone.now()
    study.save(update_fields=["dealt_at"])
    return Deal(folds={reader.code: len(folds[reader]) for reader in readers}, golden=len(golden))


def _check(study: Study, readers: list[Reader]) -> None:
    slug = study.slug
    if study.dealt_at:
        raise DealError(f"Study {slug} was dealt on {study.dealt_at:%Y-%m-%d %H:%M}; it is dealt once.")
    if not study.golden_drawn_at:
        raise DealError(f"Study {slug} has no golden set. Draw it first: manage.py draw_golden {slug} SIZE.")
    if not readers:
        raise DealError(f"Study {slug} has no readers. Add them first: manage.py add_reader {slug} USERNAME.")


def _deal_folds(study: Study, readers: list[Reader]) -> dict[Reader, list[Image]]:
    """Shuffle the ordinary images and deal them like cards, so that no fold is two larger than another."""
    ordinary = list(prescreen.kept(study).filter(is_golden=False).order_by("content_hash"))
    random.Random(f"folds {study.seed}").shuffle(ordinary)  # noqa: S311  a draw, not a secret
    folds = {reader: ordinary[start :: len(readers)] for start, reader in enumerate(readers)}
    for reader, images in folds.items():
        Image.objects.filter(pk__in=[image.pk for image in images]).update(fold=reader)
    return folds


def _deal_list(study: Study, reader: Reader, images: list[Image]) -> None:
    random.Random(f"order {study.seed} {reader.code}").shuffle(images)  # noqa: S311  a draw, not a secret
    rows = (Assignment(reader=reader, image=image, position=n) for n, image in enumerate(images, start=1))
    while batch := list(islice(rows, 1000)):
        Assignment.objects.bulk_create(batch)
