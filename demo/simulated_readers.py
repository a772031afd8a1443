"""SIMULATED readers: programs that grade a made study as the published dermatologists graded theirs.

A simulated reader sees the true severity through a bias, a slope and noise of their own, and rounds to the scale.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from demo.selfies import MadeSelfie
from labeler.grading import label_store
from labeler.models import Assignment, NotGradable, Reader, Study
from labeler.studies import studies
from scoring.regressor.score_scale import Scale
from training.statistics import planning

# Each dermatologist's RMSE against the consensus that includes them, golden set of 230, as published.
PUBLISHED_RMSE = (0.517, 0.508, 0.500, 0.495, 0.490, 0.484, 0.454, 0.450, 0.402, 0.400, 0.388)
PROFILES = {"published": PUBLISHED_RMSE}
MIDDLE, SEVERITY_SD = 2.82, 0.94  # mean and standard deviation of severities in the published proportions

# Of a reader's squared error before rounding, what is a steady bias, and what a scale stretched or squeezed around its
# middle; the rest is noise. Our choice: nothing is published.
BIAS_SHARE, SLOPE_SHARE = 0.25, 0.10
CALIBRATION_IMAGES = 20_000
CALIBRATION_ROUNDS = 12
NAMESPACE = UUID("5b0d1a0e-6f5e-4a39-9a3f-0c2f6a0d6f11")  # of simulated submissions: the same act, the same id

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Behaviour:
    """How one simulated reader departs from the true severity, in grades."""

    bias: float
    slope: float  # 1 sees differences as they are; a larger one exaggerates them
    noise_sd: float

    def see(self, severity: Floats | float, noise: Floats | float) -> Floats:
        """Return what this reader makes of it, not yet rounded; `noise` is standard normal."""
        return np.asarray(MIDDLE + self.slope * (severity - MIDDLE) + self.bias + self.noise_sd * noise)


def calibrate(targets: Sequence[float], *, seed: int) -> tuple[Behaviour, ...]:
    """Find behaviours whose published-form RMSE against each other's mean are the targets.

    Rounding and the consensus' own noise both add to an RMSE, so the spread is found by simulation and correction.
    """
    rng = np.random.default_rng(seed)
    severities = planning.draw_severities(CALIBRATION_IMAGES, rng)
    signs = rng.permuted(np.resize([-1.0, 1.0], (2, len(targets))), axis=1)  # of bias and slope
    noise = rng.standard_normal((len(targets), CALIBRATION_IMAGES))
    wanted = np.asarray(targets)
    spread = wanted.copy()  # standard deviation of bias, slope and noise together
    for _ in range(CALIBRATION_ROUNDS):
        spread *= wanted / rmse_table(_behaviours(spread, signs), severities, noise)
    return tuple(_behaviours(spread, signs))


def rmse_table(behaviours: Sequence[Behaviour], severities: Floats, noise: Floats) -> Floats:
    """Return (readers,): each one's RMSE against the mean of all, with (readers, images) standard normal noise."""
    grades = to_grades(np.array([who.see(severities, own) for who, own in zip(behaviours, noise, strict=True)]))
    table: Floats = np.sqrt(((grades - grades.mean(axis=0)) ** 2).mean(axis=1))
    return table


def to_grades(seen: Floats, scale: Scale = planning.PUBLISHED_SCALE) -> NDArray[np.int64]:
    """Round half up to the grades of a scale; what was seen is on the published one, as severities are painted."""
    steps = len(scale.grades)
    places = Scale.of_steps(steps).grades_of(planning.stretched(seen, steps))
    return np.asarray(scale.grades)[places - 1]


def simulate(*, study: Study, made: Sequence[MadeSelfie], profile: str = "published") -> int:
    """Let every simulated reader of the study grade what they have not graded yet; return how many labels that made.

    `made` tells the truth about the study's images. A badly exposed one is called not gradable, as a dermatologist
    would. The n-th reader takes the n-th number of the profile. Running it again, or after an interruption, grades
    nothing twice.
    """
    truth = {selfie.file: selfie for selfie in made}
    scale = studies.scale(study)
    behaviours = calibrate(PROFILES[profile], seed=study.seed)
    readers = study.readers.filter(is_simulated=True).order_by("code")
    return sum(
        _grade_list(reader, behaviours[number % len(behaviours)], truth, scale, seed=study.seed + number)
        for number, reader in enumerate(readers)
    )


def _behaviours(spread: Floats, signs: Floats) -> list[Behaviour]:
    """Split each reader's spread (readers,) by the shares; `signs` (2, readers) say which way bias and slope go."""
    biases = signs[0] * spread * BIAS_SHARE**0.5
    slopes = 1 + signs[1] * spread * SLOPE_SHARE**0.5 / SEVERITY_SD
    noises = spread * (1 - BIAS_SHARE - SLOPE_SHARE) ** 0.5
    return [Behaviour(*row) for row in zip(biases.tolist(), slopes.tolist(), noises.tolist(), strict=True)]


def _grade_list(
    reader: Reader, behaviour: Behaviour, truth: Mapping[str, MadeSelfie], scale: Scale, *, seed: int
) -> int:
    made = 0
    for assignment, noise in _with_noise(reader, seed):
        if not assignment.is_done:
            act = _judge(truth[assignment.image.source_name], behaviour, noise, scale)
            submission = uuid5(NAMESPACE, str(assignment.public_id))
            label_store.record_label(assignment=assignment, version=0, submission=submission, **act)
            made += 1
    return made


def _judge(selfie: MadeSelfie, behaviour: Behaviour, noise: float, scale: Scale) -> dict[str, Any]:
    if selfie.kind == "badly_exposed":
        return {"not_gradable": NotGradable.BADLY_LIT}
    return {"grade": int(to_grades(behaviour.see(selfie.severity, noise), scale))}


def _with_noise(reader: Reader, seed: int) -> Iterator[tuple[Assignment, float]]:
    """Give each assignment its own noise, whichever of them are graded already."""
    assignments = reader.assignments.select_related("image").order_by("position")
    noise = np.random.default_rng(seed).standard_normal(len(assignments))
    return zip(assignments, noise.tolist(), strict=True)
