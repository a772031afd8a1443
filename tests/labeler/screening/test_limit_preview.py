"""What limits would drop is told before they are set, tells nothing of golden images, and is what saving then drops."""

import pytest

from labeler.golden_set import golden_draw
from labeler.models import Image, Study, User
from labeler.screening import limit_preview, prescreen
from tests import builders
from tests.labeler.screening.screening import measure, measured_study

LIMITS = {"sharpness": (-3.75, None), "faces": (1.0, 1.0)}


@pytest.fixture
def measured(db: None) -> Study:
    """Return ten images: three too blurred, of which one is without a face, as is a sharp one."""
    study = measured_study(10)
    for place in (0, 9):
        image = study.images.order_by("pk")[place]
        image.measurement.faces = 0
        image.measurement.save()
    return study


def test_each_limit_alone_and_all_together(measured: Study) -> None:
    counted = limit_preview.count(measured, LIMITS)
    assert (counted.alone["sharpness"], counted.alone["faces"], counted.together) == (3, 2, 4)
    assert counted.alone["exposure"] == 0
    assert not counted.is_sample


def test_what_is_previewed_is_what_saving_drops(measured: Study, olga: User) -> None:
    previewed = set(prescreen.dropped_by(measured, LIMITS).values_list("pk", flat=True))
    prescreen.set_limits(study=measured, limits=LIMITS, by=olga)
    assert previewed == set(measured.images.filter(is_kept=False).values_list("pk", flat=True))
    assert measured.images.order_by("pk")[0].failed == "sharpness faces"


def test_what_was_decided_by_hand_is_no_matter_of_limits(measured: Study, olga: User) -> None:
    worst, second, *_ = measured.images.order_by("pk")
    prescreen.decide(study=measured, images=[worst.pk], is_kept=True, by=olga, reason="the only severe case")
    prescreen.decide(study=measured, images=[second.pk], is_kept=False, by=olga, reason="the wrong person")
    counted = limit_preview.count(measured, LIMITS)
    assert (counted.together, counted.kept_by_hand, counted.dropped_by_hand) == (2, 1, 1)


def test_images_without_measures_are_counted_and_dropped_by_nothing(measured: Study) -> None:
    builders.make_images(measured, 2)
    counted = limit_preview.count(measured, LIMITS)
    assert (counted.unmeasured, counted.images, counted.together) == (2, 12, 4)


def test_nothing_tells_golden_images_once_they_are_drawn(measured: Study, olga: User) -> None:
    golden_draw.draw(study=measured, size=4)
    measured.refresh_from_db()
    everything = {"exposure": (0.9, None)}
    assert not prescreen.dropped_by(measured, everything).exists()
    assert limit_preview.count(measured, everything).settled == 10
    for image in measured.images.all():
        with pytest.raises(prescreen.PrescreenError, match="They stay"):
            prescreen.decide(study=measured, images=[image.pk], is_kept=False, by=olga, reason="blurred")
    assert prescreen.set_limits(study=measured, limits=everything, by=olga) == 0


def test_images_that_came_after_the_drawing_can_be_dropped(measured: Study, olga: User) -> None:
    golden_draw.draw(study=measured, size=4)
    measured.refresh_from_db()
    (late,) = builders.make_images(measured, 1)
    measure(late, exposure=0.1)
    assert limit_preview.count(measured, {"exposure": (0.2, None)}).together == 1
    assert prescreen.decide(study=measured, images=[late.pk], is_kept=False, by=olga, reason="dark") == 1


def test_a_histogram_has_every_measured_image_once_also_beyond_its_range(measured: Study) -> None:
    measured.images.earliest("pk").measurement.delete()
    outlier = measured.images.latest("pk").measurement
    outlier.short_side, outlier.sharpness = 9000, -7.5
    outlier.save()
    bins = limit_preview.histograms(measured, images=10)
    assert {name: sum(one.images for one in row) for name, row in bins.items()} == dict.fromkeys(prescreen.NAMES, 9)
    assert (bins["short_side"][-1].images, bins["sharpness"][0].images) == (1, 1)
    assert [(one.low, one.high, one.images) for one in bins["faces"][:2]] == [(0, 1, 1), (1, 2, 8)]


def test_a_large_study_is_judged_by_a_sample_that_says_so(measured: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_preview, "LARGE", 9)
    monkeypatch.setattr(limit_preview, "SAMPLE", 5)
    counted = limit_preview.count(measured, {})
    assert (counted.is_sample, counted.images, counted.looked_at) == (True, 10, 5)
    assert counted.scaled(2) == 4
    looked_at = set(Image.objects.order_by("content_hash").values_list("pk", flat=True)[:5])
    assert sum(one.images for one in limit_preview.histograms(measured, images=10)["faces"]) == len(looked_at)


def test_a_large_study_without_files_has_nothing_to_look_at(measured: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_preview, "LARGE", 9)
    measured.images.update(original="")
    counted = limit_preview.count(measured, LIMITS)
    assert (counted.looked_at, counted.is_sample, counted.scaled(0)) == (0, False, 0)


@pytest.mark.parametrize(("looked_at", "said"), [(0, 0), (1, 200), (7, 1400), (1234, 247_000), (4999, 1_000_000)])
def test_a_guess_has_three_digits(looked_at: int, said: int) -> None:
    counted = dict.fromkeys(("unmeasured", "settled", "kept_by_hand", "dropped_by_hand", "together"), 0)
    counts = limit_preview.Counts(images=1_000_000, looked_at=5_000, alone={}, **counted)
    assert counts.scaled(looked_at) == said
