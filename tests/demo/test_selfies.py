"""Made-up selfies: the same for the same seed, worse where they say so, and found by the pipeline's own eyes."""

import csv
import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from demo import lesions, other_lesions, public_domain_faces, selfies
from demo.selfies import MadeSelfie
from scoring.photograph.decoding import Pixels
from scoring.photograph.eyes import find_eye
from scoring.photograph.faces import find_landmarks
from tests import builders

COUNT, SEED = builders.SELFIES, builders.SELFIES_SEED


@pytest.fixture(scope="module")
def folder(selfies: Path) -> Path:
    return selfies


@pytest.fixture(scope="module")
def made(folder: Path) -> list[MadeSelfie]:
    return selfies.read_severities(folder)


@pytest.fixture(scope="module")
def landmarks() -> public_domain_faces.Points:
    """Return a face of 600 pixels' height in the middle of 700 x 900."""
    return public_domain_faces.random_shape(public_domain_faces.load(), np.random.default_rng(1)) * 200 + (350, 400)


def pixels_of(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))


def test_every_photograph_is_one_we_know_and_shows_one_face() -> None:
    assert [face.photo for face in public_domain_faces.load()] == list(public_domain_faces.PHOTOS)
    assert all(face.landmarks.shape == (68, 2) for face in public_domain_faces.load())


def test_a_package_that_cannot_be_had_is_one_sentence(
    settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FACES_DIR = tmp_path / "faces"  # type: ignore[attr-defined]
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(CommandError, match=r"could not be downloaded .* Check the network and run this again\."):
        call_command("make_demo_selfies", str(tmp_path / "selfies"), count=1)
    assert not (tmp_path / "selfies").exists()


def test_nobody_lends_more_than_two_fifths_of_a_face() -> None:
    people = [photo.person for photo in public_domain_faces.PHOTOS]
    rng = np.random.default_rng(0)
    for fit in rng.dirichlet([0.3] * len(people), 200):
        weights = public_domain_faces.capped(fit + 1e-6, people)
        shares = [sum(w for w, name in zip(weights, people, strict=True) if name == person) for person in set(people)]
        assert max(shares) <= public_domain_faces.MOST_OF_ONE_PERSON + 1e-6
        assert weights.sum() == pytest.approx(1)


def test_worse_acne_keeps_every_lesion_and_adds_others(landmarks: public_domain_faces.Points) -> None:
    skin = lesions.skin_mask(landmarks, (700, 900))

    def places(severity: float) -> set[tuple[str, float, float]]:
        found = lesions.scatter(landmarks, skin, severity, np.random.default_rng(3))
        return {(lesion.kind, lesion.x, lesion.y) for lesion in found}

    chain = [places(severity) for severity in (0.6, 1.5, 2.5, 3.5, 4.5, 5.4)]
    assert all(milder < worse for milder, worse in pairwise(chain))


def test_every_lesion_lies_on_skin(landmarks: public_domain_faces.Points) -> None:
    skin = lesions.skin_mask(landmarks, (700, 900))
    for lesion in lesions.scatter(landmarks, skin, 5.4, np.random.default_rng(3)):
        assert skin[int(lesion.y), int(lesion.x)] > 0.3


def test_severity_can_be_seen(landmarks: public_domain_faces.Points) -> None:
    def redness(severity: float) -> float:
        lab = np.full((900, 700, 3), (65, 14, 18), np.float32)
        lesions.paint(lab, landmarks, severity, np.random.default_rng(5))
        return float((lab[..., 1] - 14).clip(0).mean())

    seen = [redness(severity) for severity in np.arange(1.0, 5.5, 0.5)]
    assert all(worse > 1.15 * milder for milder, worse in pairwise(seen))


def _other(landmarks: public_domain_faces.Points, severity: float) -> public_domain_faces.Floats:
    lab = np.zeros((900, 700, 3), np.float32)
    other_lesions.paint(lab, landmarks, severity, np.random.default_rng(5))
    return lab


def test_acne_painted_otherwise_grows_with_severity_spot_by_spot(landmarks: public_domain_faces.Points) -> None:
    assert [other_lesions.count(severity) for severity in (0.6, 3.0, 5.4)] == [0, 49, 160]
    mild, worse = (_other(landmarks, severity) for severity in (2.0, 4.0))
    assert 0 < np.count_nonzero(mild) < np.count_nonzero(worse)
    assert np.count_nonzero((mild != 0) & (worse == 0)) == 0


def test_acne_painted_otherwise_leaves_the_skin_between_the_spots_as_it_is(
    landmarks: public_domain_faces.Points,
) -> None:
    usual = np.zeros((900, 700, 3), np.float32)
    lesions.paint(usual, landmarks, 4.0, np.random.default_rng(5))
    changed = [np.mean(np.abs(lab[..., 1]) > 0.5) for lab in (usual, _other(landmarks, 4.0))]
    assert changed[0] > 2 * changed[1] > 0


@pytest.mark.parametrize(
    ("severity", "inflamed", "nodules"), [(1.0, (0, 2), 0), (3.0, (8, 18), 0), (4.0, (20, 45), 1), (5.0, (50, 120), 8)]
)
def test_a_grade_has_as_many_lesions_as_dermatologists_expect(
    severity: float, inflamed: tuple[int, int], nodules: int
) -> None:
    total = sum(lesions.count(kind, severity) for kind in ("papule", "pustule", "nodule"))
    assert inflamed[0] <= total <= inflamed[1]
    assert lesions.count("nodule", severity) == nodules


def test_the_grades_are_as_frequent_as_published(tmp_path: Path) -> None:
    counted = Counter(int(order.selfie.severity + 0.5) for order in selfies.plan(tmp_path, 3_996, 1))
    for grade, published in enumerate(selfies.PUBLISHED, start=1):
        assert abs(counted[grade] - published) <= 25  # near duplicates double a random few


def test_a_near_duplicate_shows_an_earlier_subject_at_its_severity(tmp_path: Path) -> None:
    known: dict[str, float] = {}
    orders = [order.selfie for order in selfies.plan(tmp_path, 200, 1)]
    for selfie in orders:
        if selfie.kind == "near_duplicate":
            assert known[selfie.subject] == selfie.severity
        known[selfie.subject] = selfie.severity
    assert Counter(selfie.kind for selfie in orders) == {
        "regular": 174,
        "one_eye": 10,
        "near_duplicate": 8,
        "badly_exposed": 8,
    }


def test_the_table_says_of_every_file_that_it_is_simulated(folder: Path, made: list[MadeSelfie]) -> None:
    rows = list(csv.DictReader(io.StringIO((folder / selfies.TABLE).read_text(encoding="utf-8"))))
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.glob("*.jpg"))
    assert {row["note"] for row in rows} == {"SIMULATED"}
    assert len(made) == COUNT


def test_nine_of_ten_regular_selfies_have_one_face(folder: Path, made: list[MadeSelfie]) -> None:
    regular = [pixels_of(folder / selfie.file) for selfie in made if selfie.kind == "regular"]
    found = sum(len(find_landmarks(pixels)) == 1 for pixels in regular)
    assert found >= 0.9 * len(regular)


def test_half_a_face_has_an_eye_only(folder: Path, made: list[MadeSelfie]) -> None:
    (half,) = [pixels_of(folder / selfie.file) for selfie in made if selfie.kind == "one_eye"]
    assert find_landmarks(half) == []
    assert find_eye(half) is not None


def test_a_near_duplicate_is_the_same_picture_in_other_bytes(folder: Path, made: list[MadeSelfie]) -> None:
    (again,) = [selfie for selfie in made if selfie.kind == "near_duplicate"]
    first = next(selfie for selfie in made if selfie.subject == again.subject)
    small = np.array([cv2.resize(pixels_of(folder / selfie.file), (24, 32)).ravel() for selfie in (first, again)])
    assert (folder / first.file).read_bytes() != (folder / again.file).read_bytes()
    assert np.corrcoef(small[0], small[1])[0, 1] > 0.8


def test_this_process_makes_what_two_others_make(folder: Path, tmp_path: Path) -> None:
    every_kind = {order.selfie.kind: order for order in selfies.plan(tmp_path, COUNT, SEED)}
    assert len(every_kind) == 4
    for order in every_kind.values():
        selfies._make_one(order)
        assert order.path.read_bytes() == (folder / order.path.name).read_bytes()


def test_making_them_again_does_nothing(folder: Path, made: list[MadeSelfie]) -> None:
    steps: list[tuple[int, int]] = []
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert made == selfies.make_selfies(
        folder=folder, count=COUNT, seed=SEED, on_selfie=lambda done, total: steps.append((done, total))
    )
    assert steps == []
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
