"""Whoever knows the code and guesses the secret deals again: the audit finds each secret that can be guessed."""

import hashlib
import random
from collections.abc import Callable

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from labeler.blinding_audit import reconstruction
from labeler.blinding_audit.blinding_audit import Verdict
from labeler.dealing import folds, new_images, reading_lists, remaining_lists, undo
from labeler.dealing.folds import Design
from labeler.golden_set import commitments, golden_draw
from labeler.models import Study, User
from tests import builders

IMAGES, GOLDEN, REPEATS = 120, 30, 8
FEW = 64  # small numbers, so that a test is quick

Plant = Callable[[Study], bytes]


def sha256(text: object) -> bytes:
    return hashlib.sha256(str(text).encode()).digest()


def promised(study: Study) -> str:
    made = commitments.of(study)
    assert made is not None
    return made.digest


WEAK: dict[str, Plant] = {
    "nothing": lambda _: bytes(32),
    "ones": lambda _: b"\xff" * 32,
    "counting": lambda _: bytes(range(32)),
    "a number": lambda _: (41).to_bytes(32, "big"),
    "a number, the other way round": lambda _: (63).to_bytes(32, "little"),
    "a number's hash": lambda _: sha256(7),
    "a number in text": lambda _: b"42".ljust(32, b"\0"),
    "a simulation's generator": lambda _: random.Random(11).randbytes(32),  # noqa: S311
    "NumPy's generator": lambda _: np.random.default_rng(12).bytes(32),
    "NumPy's old generator": lambda _: np.random.RandomState(13).bytes(32),
    "the seed of fits": lambda study: study.seed.to_bytes(32, "big"),
    "the seed of fits, hashed": lambda study: sha256(study.seed),
    "the seed of fits, as a generator's": lambda study: random.Random(study.seed).randbytes(32),  # noqa: S311
    "the slug": lambda study: study.slug.encode().ljust(32, b"\0"),
    "the slug, hashed": lambda study: sha256(study.slug),
    "the title, hashed": lambda study: sha256(study.title),
    "the row": lambda study: study.pk.to_bytes(32, "big"),
    "the row, hashed": lambda study: sha256(study.pk),
    "the slug and the row": lambda study: sha256(f"{study.slug}:{study.pk}"),
    "the slug and the seed": lambda study: sha256(f"{study.slug} {study.seed}"),
    "the second of its making": lambda study: sha256(int(study.created_at.timestamp())),
    "the second before": lambda study: (int(study.created_at.timestamp()) - 1).to_bytes(32, "little"),
    "the second, as a generator's": lambda study: random.Random(int(study.created_at.timestamp())).randbytes(32),  # noqa: S311
    "the day, hashed": lambda study: sha256(study.created_at.date()),
    "the moment, hashed": lambda study: sha256(study.created_at.isoformat()),
    "the promise's hash": lambda study: bytes.fromhex(promised(study)),
    "another study's": lambda _: bytes(builders.make_study("another").secret),
}


@pytest.fixture
def drawn(ana: User, ben: User) -> Study:
    study = builders.make_study(readers=(ana, ben), images=IMAGES)
    golden_draw.draw(study=study, size=GOLDEN)
    study.refresh_from_db()
    return study


def deal(study: Study, secret: bytes) -> None:
    Study.objects.filter(pk=study.pk).update(secret=secret)
    study.refresh_from_db()
    folds.deal(study=study, design=Design(repeats=REPEATS))


@pytest.mark.parametrize("weakness", WEAK)
def test_a_secret_that_can_be_guessed_is_found_and_names_what_is_golden(drawn: Study, weakness: str) -> None:
    deal(drawn, WEAK[weakness](drawn))
    found = reconstruction.attack(drawn, numbers=FEW)
    assert (found.verdict, found.named) == (Verdict.LEAK, 1)
    assert found.found
    assert found.chance is not None
    assert found.chance < 0.5


@pytest.mark.parametrize("seed", [5, 2019, None], ids=["small", "of the fits", "the row"])
def test_lists_of_the_published_construction_are_found(drawn: Study, seed: int | None) -> None:
    deal(drawn, builders.SECRET)
    deal_as_before(drawn, drawn.pk if seed is None else seed)
    drawn.images.update(original="", rendition="")
    found = reconstruction.attack(drawn, numbers=FEW)
    assert (found.verdict, found.named) == (Verdict.LEAK, 1)
    assert "releases before" in found.found
    with pytest.raises(CommandError, match=f"reorder_lists {drawn.slug}"):
        call_command("audit_blinding", drawn.slug, "--repeats-of-read=1", "--json", "--numbers=64")


def deal_as_before(study: Study, seed: int) -> None:
    """Order each list as releases before 2026-12 did."""
    for reader in study.readers.all():
        ones = list(reader.assignments.select_related("image").order_by("pk"))
        firsts = [one for one in ones if not one.is_repeat]
        drawn_from = hashlib.sha256(f"order {seed} {reader.code}".encode()).digest()
        draw = np.random.RandomState(np.frombuffer(drawn_from, np.uint32))
        ordinary, golden = (
            np.array([one.image_id for one in firsts if one.image.is_golden is kind]) for kind in (False, True)
        )
        ordinary, golden = draw.permutation(ordinary), draw.permutation(golden)
        numbers, is_second = reading_lists.layout(len(ordinary), len(golden), REPEATS, draw)  # type: ignore[arg-type]
        images = np.concatenate([golden, ordinary])[numbers]
        reader.assignments.all().delete()
        for place, (image, again) in enumerate(zip(images.tolist(), is_second.tolist(), strict=True), start=1):
            reader.assignments.create(image_id=image, is_repeat=again, position=place, dealing=study.dealings.get())


def test_another_order_heals_lists_of_before(drawn: Study) -> None:
    deal(drawn, builders.SECRET)
    deal_as_before(drawn, 5)
    call_command("reorder_lists", drawn.slug)
    found = reconstruction.attack(drawn, numbers=FEW)
    assert found.verdict == Verdict.BLIND


@pytest.mark.parametrize("number", range(3))
def test_a_right_secret_is_not_found_and_the_best_guess_is_luck(drawn: Study, number: int) -> None:
    deal(drawn, hashlib.sha256(b"as good as random %d" % number).digest())
    found = reconstruction.attack(drawn, numbers=FEW)
    assert (found.verdict, found.found) == (Verdict.BLIND, "")
    assert found.guesses > 3000
    assert found.named is not None
    assert found.chance is not None
    assert found.best_by_chance is not None
    assert found.chance < found.named < found.best_by_chance + 0.1 < 1


def test_a_guess_is_found_after_later_changes_too(drawn: Study) -> None:
    deal(drawn, bytes(32))
    for reader in drawn.readers.all():
        graded = reader.assignments.filter(position__lte=30)
        graded.update(is_done=True, version=1)
    builders.make_images(drawn, 40)
    new_images.add_images(study=drawn)
    remaining_lists.reorder(study=drawn)
    found = reconstruction.attack(drawn, numbers=FEW)
    assert found.verdict == Verdict.LEAK


def test_a_small_study_is_too_small_to_say(ana: User) -> None:
    study = builders.make_study(readers=(ana,), images=9, golden_size=2)
    assert reconstruction.attack(study, numbers=1).verdict == Verdict.TOO_FEW
    assert reconstruction.attack(builders.make_study("undealt"), numbers=1).reason == "no list was dealt here"


@pytest.mark.parametrize("is_back", [False, True], ids=["changed", "changed and taken back"])
def test_a_guess_is_found_where_a_change_came_before_any_grade(drawn: Study, is_back: bool) -> None:
    deal(drawn, bytes(32))
    change = remaining_lists.reorder(study=drawn)
    if is_back:
        undo.take_back(dealing=change)
    found = reconstruction.attack(drawn, numbers=FEW)
    assert found.verdict == Verdict.LEAK
    assert found.named is not None
    assert found.named > 0.75  # but for readings that were moved apart
