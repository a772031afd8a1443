"""Simulated readers err as the published dermatologists did."""

import numpy as np
import pytest

from demo import simulated_readers
from demo.selfies import MadeSelfie
from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.models import Label, Study, User
from labeler.studies import studies
from scoring.regressor.score_scale import Scale
from tests import builders
from training.statistics import planning


def test_the_published_rmse_table_comes_out_within_sampling_error() -> None:
    behaviours = simulated_readers.calibrate(simulated_readers.PUBLISHED_RMSE, seed=1)
    rng = np.random.default_rng(2)
    studies_of_230 = [(planning.draw_severities(230, rng), rng.standard_normal((11, 230))) for _ in range(200)]
    tables = np.array([simulated_readers.rmse_table(behaviours, *study) for study in studies_of_230])
    # Standard errors: 0.0015 of a mean over 200 studies, 0.002 of the calibration. Three of both together are 0.008.
    assert tables.mean(axis=0) == pytest.approx(simulated_readers.PUBLISHED_RMSE, abs=0.008)
    # And a single study's table lies around it: about 95 % within two standard deviations.
    spread = tables.std(axis=0)
    assert 0.01 < spread.min() < spread.max() < 0.04


def test_severities_have_the_middle_and_spread_that_slopes_turn_on() -> None:
    severities = planning.draw_severities(100_000, np.random.default_rng(0))
    assert severities.mean() == pytest.approx(simulated_readers.MIDDLE, abs=0.02)
    assert severities.std() == pytest.approx(simulated_readers.SEVERITY_SD, abs=0.02)


def test_readers_differ_in_bias_slope_and_noise() -> None:
    behaviours = simulated_readers.calibrate(simulated_readers.PUBLISHED_RMSE, seed=1)
    assert {behaviour.bias > 0 for behaviour in behaviours} == {True, False}
    assert {behaviour.slope > 1 for behaviour in behaviours} == {True, False}
    assert len({behaviour.noise_sd for behaviour in behaviours}) == len(behaviours)


@pytest.fixture
def simulated_study(ana: User, db: None) -> Study:
    study = studies.create(slug="made", title="Made", is_simulated=True, seed=2019, secret=builders.SECRET)
    studies.add_reader(study=study, user=builders.make_user("robot"), is_simulated=True)
    studies.add_reader(study=study, user=ana)
    builders.make_images(study, 12)
    golden_draw.draw(study=study, size=4)
    folds.deal(study=study)
    return study


def truth(*, severity: float = 3.0, kind: str = "regular") -> list[MadeSelfie]:
    return [MadeSelfie(f"IMG_{n}.jpg", severity, kind, f"S{n}") for n in range(12)]


def test_only_simulated_readers_are_graded_for_and_only_once(simulated_study: Study) -> None:
    assert simulated_readers.simulate(study=simulated_study, made=truth()) == 8
    assert simulated_readers.simulate(study=simulated_study, made=truth()) == 0
    assert set(Label.objects.values_list("assignment__reader__code", flat=True)) == {"R01"}


def test_a_badly_exposed_selfie_is_called_not_gradable(simulated_study: Study) -> None:
    simulated_readers.simulate(study=simulated_study, made=truth(kind="badly_exposed"))
    assert set(Label.objects.values_list("grade", "not_gradable")) == {(None, "badly_lit")}


def test_an_interrupted_simulation_goes_on_with_the_same_grades(simulated_study: Study) -> None:
    second = simulated_study.readers.get(is_simulated=True).assignments.order_by("position")[1]
    with pytest.raises(KeyError):
        simulated_readers.simulate(
            study=simulated_study, made=[made for made in truth() if made.file != second.image.source_name]
        )
    first = Label.objects.get()
    simulated_readers.simulate(study=simulated_study, made=truth())
    assert Label.objects.count() == 8
    assert Label.objects.first() == first


@pytest.mark.parametrize("grades", [(1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 6, 7), (1, 2, 4)])
def test_what_was_seen_falls_on_every_grade_of_a_studys_scale(grades: tuple[int, ...]) -> None:
    seen = np.linspace(0.5, 5.5, 1001)
    given = simulated_readers.to_grades(seen, Scale(grades))
    assert set(given.tolist()) == set(grades)
    assert (np.diff(given) >= 0).all()
    counts = np.unique(given, return_counts=True)[1]
    assert counts.max() - counts.min() <= 2  # each has an equal share of what is painted
