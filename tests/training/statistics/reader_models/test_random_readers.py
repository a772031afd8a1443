"""Readers as a sample, against a published analysis, Student's t, and simulated studies."""

import numpy as np
import pytest
from scipy import stats

from training.statistics.intervals import Floats
from training.statistics.reader_models import random_readers

# Van Dyke et al. 1993, five readers' areas under the curve by modality with variance and covariance of error; then
# what OR-DBM MRMC 2.51 (Hillis et al., University of Iowa) prints for each modality: readers and cases random.
VAN_DYKE = [
    (
        [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
        (0.00101410277, 0.00048396180),
        (0.89703704, 12.744648, 0.82522360, 0.96885048),
    ),
    (
        [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
        (0.00059047376, 0.00020418785),
        (0.94083736, 12.710190, 0.89413783, 0.98753689),
    ),
]


@pytest.mark.parametrize(("figures", "error", "published"), VAN_DYKE)
def test_the_published_example_has_its_published_interval(
    figures: list[float], error: tuple[float, float], published: tuple[float, ...]
) -> None:
    covariance = np.full((5, 5), error[1])
    np.fill_diagonal(covariance, error[0])
    found = random_readers.from_figures(np.array(figures), covariance, n=114)
    said = (found.mean.value, found.degrees_of_freedom, found.mean.low, found.mean.high)
    assert said == pytest.approx(published, rel=2e-6)


def test_without_covariance_it_is_students_t() -> None:
    figures = np.array([0.1, -0.05, 0.2, 0.12])
    found = random_readers.from_figures(figures, np.diag([0.001] * 4), n=50)
    expected = stats.ttest_1samp(figures, 0).confidence_interval()
    assert found.mean.interval == pytest.approx(tuple(expected))


def test_the_jackknife_of_a_mean_is_its_squared_standard_error() -> None:
    values = np.random.default_rng(3).normal(size=(40, 2))
    left_out = (values.sum(axis=0) - values) / 39
    expected = np.cov(values, rowvar=False) / 40
    assert random_readers.jackknife_covariance(left_out) == pytest.approx(expected)


def study(rng: np.random.Generator, *, readers: int, people: int, each: int = 1) -> tuple[Floats, Floats, Floats]:
    """Return scores, grades and people; the machine errs like a reader drawn at random."""
    severity = np.repeat(rng.normal(3, 1, people), each) + rng.normal(0, 0.3, people * each)
    sds = rng.uniform(0.3, 0.6, (readers, 1))
    shared = np.repeat(rng.normal(0, 0.3, (readers + 1, people)), each, axis=1)  # what one sees in a person, always
    own = shared + rng.normal(size=(readers + 1, people * each)) * np.append(sds, [[0.45]], axis=0)
    return severity + own[-1], severity + own[:-1], np.repeat(np.arange(people), each).astype(float)


@pytest.mark.parametrize("each", [1, 4])
def test_a_machine_like_the_mean_reader_is_told_from_them_about_one_time_in_twenty(each: int) -> None:
    rng = np.random.default_rng(11)
    found = []
    for _ in range(60):
        scores, grades, people = study(rng, readers=8, people=40, each=each)
        gaps = np.where(rng.random(grades.shape) < 0.8, grades, np.nan)
        interval = random_readers.compare(scores, gaps, people.astype(np.intp)).mean.interval
        assert interval
        found.append(interval)
    # Noise of the mean of the others enters both sides; the true difference is that of a large simulated study.
    truth = np.mean([random_readers.compare(*study(rng, readers=8, people=2000)[:2]).mean.known for _ in range(4)])
    missed = sum(not low <= truth <= high for low, high in found)
    assert missed <= 7  # of 60 at 5 %: more once in 100 times


def test_photographs_of_one_person_tell_less_than_as_many_people() -> None:
    scores, grades, people = study(np.random.default_rng(4), readers=6, people=30, each=5)
    by_person = random_readers.compare(scores, grades, people.astype(np.intp))
    by_image = random_readers.compare(scores, grades)
    assert by_person.mean.value == pytest.approx(by_image.mean.known)
    assert (by_person.mean.n, by_image.mean.n) == (30, 150)
    assert by_person.covariance
    assert by_image.covariance
    assert by_person.covariance > by_image.covariance


@pytest.mark.parametrize(
    ("grades", "reason"),
    [
        (np.zeros((0, 30)), "No reader has a list."),
        (np.ones((2, 30)), "2 readers share 20 images with others; readers as a sample need 3 at least."),
        (np.where(np.arange(30) < 19, 1.0, np.full((5, 30), np.nan)), "0 readers share 20 images"),
    ],
)
def test_too_little_is_said_to_be_so(grades: Floats, reason: str) -> None:
    assert reason in random_readers.compare(np.zeros(30), grades).mean.reason
