"""Provisional grades come from a regressor of another study, and a golden set can be spread over them."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client

from labeler import tasks
from labeler.golden_set import golden_draw, provisional_scores, strata
from labeler.models import AuditEvent, ProvisionalScore, Study, User
from labeler.turning import turning
from scoring.regressor import feature_store
from tests import builders
from tests.scoring.builders import publish_one

GOLDEN = "/studies/later/golden/"


@pytest.fixture
def later(olga: User, db: None, tmp_path: Path) -> Study:
    """Return a study of six photographs; acne, which olga runs too, has a published regressor."""
    builders.make_study("acne").admins.add(olga)
    publish_one("acne")
    study = builders.make_study("later")
    study.admins.add(olga)
    builders.import_photographs(study, {f"{n}.jpg": builders.make_jpeg(n) for n in range(6)}, tmp_path)
    return study


def test_a_worker_scores_and_the_golden_set_is_spread_over_the_grades(
    later: Study, as_olga: Client, olga: User
) -> None:
    assert strata.PROVISIONAL not in dict(strata.choices(later))
    source = Study.objects.get(slug="acne")
    for _ in range(2):  # the second time there is nothing left to score
        assert b"it waits for a worker" in as_olga.post(f"{GOLDEN}score/", {"source": source.pk}, follow=True).content
        tasks.do_study_job(later.study_jobs.get(state="queued").pk)
    assert ProvisionalScore.objects.filter(image__study=later).count() == 6
    assert strata.PROVISIONAL in dict(strata.choices(later))
    shares = golden_draw.preview(later, 3, strata.PROVISIONAL)
    assert sum(share.golden for share in shares) == 3
    assert all(share.stratum.startswith("grade ") for share in shares)
    assert b"6 of 6 kept images have a provisional grade" in as_olga.get(GOLDEN).content
    assert AuditEvent.objects.filter(action="scored provisionally", user=olga).exists()


def test_an_image_without_a_score_is_of_a_kind_of_its_own(later: Study) -> None:
    image = later.images.earliest("pk")
    ProvisionalScore.objects.create(image=image, score=2.2, grade=2, regressor_id=1)
    shares = golden_draw.preview(later, 5, strata.PROVISIONAL)
    assert [(share.stratum, share.images) for share in shares] == [("(not known)", 5), ("grade 2", 1)]


def test_nobody_scores_with_the_regressor_of_a_study_they_do_not_run(later: Study, cleo: User, as_cleo: Client) -> None:
    later.admins.add(cleo)
    source = Study.objects.get(slug="acne")
    assert source not in provisional_scores.sources(cleo)
    answer = as_cleo.post(f"{GOLDEN}score/", {"source": source.pk}, follow=True)
    assert b"Choose a study that you run" in answer.content
    assert b"there is none" in answer.content


def test_an_image_that_cannot_be_read_stops_nothing(later: Study) -> None:
    image = later.images.latest("pk")
    default_storage.delete(image.original)
    told: list[tuple[int, int]] = []
    source = Study.objects.get(slug="acne")
    scored = provisional_scores.score_missing(study=later, source=source, on_image=lambda *so_far: told.append(so_far))
    assert scored == 5
    assert told == [(number, 6) for number in range(1, 7)]
    assert not ProvisionalScore.objects.filter(image=image).exists()


def test_an_image_that_is_turned_meanwhile_is_scored_as_it_stands_then(later: Study) -> None:
    second = later.images.order_by("pk")[1]
    kept = later.images.order_by("pk")[:2]
    later.images.exclude(pk__in=kept.values("pk")).update(is_kept=False)

    def turn(number: int, _: int) -> None:
        if number == 1:
            turning.turn(image=second, to=1, shown=0, by=None)

    scored = provisional_scores.score_missing(study=later, source=Study.objects.get(slug="acne"), on_image=turn)
    assert scored == 2
    assert [name.rpartition("-")[2] for name in feature_store.stored(second.content_hash)] == ["turn1"]


def test_the_command_says_what_is_missing(later: Study, capsys: Any) -> None:
    with pytest.raises(CommandError, match="no published regressor"):
        call_command("score_provisionally", "acne", "later")
    call_command("score_provisionally", "later", "acne")
    assert "6 images scored" in capsys.readouterr().out
