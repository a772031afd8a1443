"""The machine abstains where no score is possible, and says why."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.photograph.patches import Layout, Patch
from scoring.photograph.quality import Quality
from scoring.regressor import abstention, pipeline
from scoring.regressor.out_of_distribution import Familiarity
from scoring.service.score_json import SelfieScoreOut
from tests.scoring.builders import make_fitted, make_selfie
from tests.scoring.regressor.test_pipeline import describe_by_hand

GOOD = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=900, faces=1, face_size=0.5)
FACE = Layout("landmarks", (Patch("chin", (0, 0, 99, 99)),), landmarks=((10, 10), (10, 510)))
EYE = Layout("one_eye", (Patch("left_cheek", (0, 0, 99, 99)),))
NOTHING = Layout("whole", (Patch("whole", (0, 0, 99, 99)),))
MEAN = np.zeros(2048, np.float32)
KNOWN = Familiarity(MEAN, np.empty((0, 2048), np.float32), np.empty(0, np.float32), noise=1.0, limit=1.5)


def codes(quality: Quality, layout: Layout = FACE, face: float = 0.0, known: Familiarity | None = KNOWN) -> list[str]:
    return [reason.code for reason in abstention.reasons(quality, layout, MEAN + np.float32(face), known)]


@pytest.mark.parametrize(
    ("quality", "layout", "expected"),
    [
        (GOOD, FACE, []),
        (replace(GOOD, faces=0, face_size=0), EYE, []),
        (replace(GOOD, faces=0, face_size=0), NOTHING, ["no_face"]),
        (replace(GOOD, faces=1), NOTHING, ["no_face"]),
        (replace(GOOD, faces=2), EYE, ["several_faces"]),
        (replace(GOOD, faces=2), NOTHING, ["several_faces"]),
        (replace(GOOD, sharpness=-4.2), FACE, ["blurred"]),
        (replace(GOOD, exposure=0.1), FACE, ["too_dark"]),
        (replace(GOOD, exposure=0.95), FACE, ["too_bright"]),
        (GOOD, replace(FACE, landmarks=((10, 10), (10, 169))), ["too_small"]),
        (GOOD, replace(FACE, landmarks=((10, 10), (10, 170))), []),
        (replace(GOOD, faces=0, short_side=159), EYE, ["too_small"]),
        (replace(GOOD, exposure=0.1, sharpness=-5), FACE, ["blurred", "too_dark"]),
    ],
)
def test_each_reason_has_its_limit(quality: Quality, layout: Layout, expected: list[str]) -> None:
    assert codes(quality, layout) == expected


def test_a_face_far_from_the_known_ones_is_unfamiliar() -> None:
    assert codes(GOOD, face=1.4) == []
    assert codes(GOOD, face=1.6) == ["unfamiliar"]
    assert codes(GOOD, face=1.6, known=None) == []
    assert codes(GOOD, face=1.6, known=replace(KNOWN, limit=None)) == []


def test_every_reason_is_a_sentence() -> None:
    worst = Quality(exposure=0.01, contrast=0, sharpness=-8, short_side=70, faces=0, face_size=0)
    for reason in abstention.reasons(worst, NOTHING, MEAN + 9, KNOWN):
        assert reason.detail[0].isupper()
        assert reason.detail.endswith(".")


def test_an_app_is_told_no_number_where_the_machine_abstains() -> None:
    regressor = replace(make_fitted(), id=7, familiarity=replace(KNOWN, limit=0.0), half_width=0.7)
    result = pipeline.score_image(make_selfie(), regressor, describe=describe_by_hand)
    answer = SelfieScoreOut.of(result)
    assert answer.abstains
    assert [reason.code for reason in answer.reasons] == ["unfamiliar"]
    assert (answer.score, answer.grade, answer.interval) == (None, None, None)
    assert {patch.score for patch in answer.patches} == {None}
    assert result.interval  # the evaluation scores every image
