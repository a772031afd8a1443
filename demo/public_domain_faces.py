"""Public-domain photographs, and blends of several of them into faces of no real person.

Each photograph lies inside a package of the Python registry; only that member is read, and it is known by its SHA-256.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from django.conf import settings
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from scoring.photograph.decoding import Pixels, decode
from scoring.photograph.faces import find_landmarks
from scoring.weights.atomic_files import write_atomically

Floats = NDArray[Any]  # float32, (height, width) or with channels; OpenCV's stubs don't say which float
Points = NDArray[np.float64]  # (n, 2): x to the right, y down

DOWNLOAD_SECONDS = 600  # 24 MB at 0.3 Mbit/s
SKIN = np.array((62, 14, 18), np.float32)  # CIELAB of the blend, before it gets a tone of its own
TINY = 1e-12  # stands in for zero where nothing divided by nothing has to be nothing
NO_MAP = np.empty(0, np.float32)  # OpenCV's remap takes x and y in one map or in two; we give one
MOST_OF_ONE_PERSON = 0.4  # of a pixel or of the shape, where three people or more lend one: no person is recognisable


class FaceSourceError(RuntimeError):
    """A photograph can't be had, as a sentence that says what to do."""


@dataclass(frozen=True)
class SourcePhoto:
    """One photograph, and what each region of its face is good for, 0 to 1."""

    name: str
    package: str
    member: str
    sha256: str
    credit: str
    person: str
    crop: tuple[int, int, int, int] | None = None  # top, bottom, left, right, in pixels
    eyes: float = 1.0
    mouth: float = 1.0
    forehead: float = 1.0
    rest: float = 1.0

    @property
    def path(self) -> Path:
        return folder() / self.name


@dataclass(frozen=True)
class SourceFace:
    """A photograph's pixels (height, width, 3) around the face, and its landmarks (68, 2) in them."""

    photo: SourcePhoto
    pixels: Pixels
    landmarks: Points

    @cached_property
    def even_lab(self) -> Floats:
        """CIELAB whose cheeks and nose have SKIN's colour, as in every photograph: so the blend has no patches."""
        lab: Floats = cv2.cvtColor(self.pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        mask = np.zeros(lab.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, self.landmarks[[1, 3, 5, 33, 11, 13, 15, 28]].astype(np.int32), 1)
        skin = lab[mask > 0]
        middle, spread = np.median(skin, axis=0), skin[:, 0].std()
        lab[..., 0] = (lab[..., 0] - middle[0]) * np.clip(8 / spread, 0.6, 1.3) + SKIN[0]
        lab[..., 1:] += SKIN[1:] - middle[1:]
        return lab


SKIMAGE, MATPLOTLIB, FACE_RECOGNITION = "scikit-image==0.26.0", "matplotlib==3.11.2", "face-recognition==1.3.0"
# pip runs a source package's setup.py to read its name: only one that we know. From a wheel nothing runs.
HASHES = {FACE_RECOGNITION: " --hash=sha256:5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec"}
WHITE_HOUSE = "The White House, official photograph, public domain"
PHOTOS = (
    SourcePhoto(
        name="astronaut.png",
        package=SKIMAGE,
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        credit="NASA, public domain",
        person="astronaut",
        crop=(0, 220, 100, 360),
        eyes=0.5,  # of the five, dlib's recogniser finds this face again soonest
        mouth=0,  # a smile with teeth
        forehead=0,  # under hair
        rest=0.5,
    ),
    SourcePhoto(
        name="grace_hopper.jpg",
        package=MATPLOTLIB,
        member="matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        sha256="a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
        credit="James S. Davis, US Navy, public domain",
        person="admiral",
        eyes=0,  # behind glasses
        forehead=0,  # under a cap
        rest=0.5,
    ),
    SourcePhoto(
        name="biden.jpg",
        package=FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/biden.jpg",
        sha256="3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
        credit=WHITE_HOUSE,
        person="vice president",
        eyes=0.8,
        rest=0.8,
    ),
    SourcePhoto(
        name="obama.jpg",
        package=FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama.jpg",
        sha256="0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
        credit=WHITE_HOUSE,
        person="president",
        mouth=0,  # a smile with teeth
    ),
    SourcePhoto(
        name="obama3.jpg",
        package=FACE_RECOGNITION,
        member="face_recognition-1.3.0/tests/test_images/obama3.jpg",
        sha256="76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
        credit=WHITE_HOUSE,
        person="president",
    ),
)


def folder() -> Path:
    return Path(settings.FACES_DIR)


def fetch() -> None:
    """Bring every photograph into FACES_DIR; what is there and whole stays. Raises FaceSourceError."""
    folder().mkdir(parents=True, exist_ok=True)
    missing = [photo for photo in PHOTOS if not _is_whole(photo)]
    for package in sorted({photo.package for photo in missing}):
        with tempfile.TemporaryDirectory() as scratch:
            archive = _download(package, Path(scratch))
            for photo in missing:
                if photo.package == package:
                    write_atomically(photo.path, _member(archive, photo))


@cache
def load() -> list[SourceFace]:
    """Return every photograph with its landmarks. Raises FaceSourceError, and weights.WeightsError as dlib does."""
    fetch()
    return [_face(photo) for photo in PHOTOS]


def _is_whole(photo: SourcePhoto) -> bool:
    return photo.path.is_file() and hashlib.sha256(photo.path.read_bytes()).hexdigest() == photo.sha256


def _download(package: str, scratch: Path) -> Path:
    form = "--no-binary" if package == FACE_RECOGNITION else "--only-binary"  # its wheel leaves the photographs out
    asked = scratch / "requirement.txt"
    asked.write_text(package + HASHES.get(package, ""), encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", form, ":all:", "-r", asked.name]
    try:
        done = subprocess.run(
            command, cwd=scratch, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise FaceSourceError(f"Downloading {package} took more than {DOWNLOAD_SECONDS // 60} minutes.") from None
    files = [path for path in scratch.iterdir() if path != asked]
    if done.returncode or len(files) != 1:
        reason = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise FaceSourceError(
            f"{package} could not be downloaded ({reason}): the demo's faces come out of it. Check the network and "
            f"run this again."
        )
    return files[0]


def _member(archive: Path, photo: SourcePhoto) -> bytes:
    try:
        data = _read(archive, photo.member)
    except KeyError:
        data = b""
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise FaceSourceError(f"{archive.name} does not hold the {photo.name} we know.")
    return data


def _read(archive: Path, member: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as source:
        file = source.extractfile(member)
        return file.read() if file else b""


def _face(photo: SourcePhoto) -> SourceFace:
    pixels = decode(photo.path.read_bytes())
    if photo.crop:
        top, bottom, left, right = photo.crop
        pixels = pixels[top:bottom, left:right]
    landmarks = find_landmarks(pixels)[0].astype(np.float64)
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    margin = 0.9 * (high - low).max()
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = (high + margin).astype(int)
    return SourceFace(photo, np.ascontiguousarray(pixels[top:bottom, left:right]), landmarks - (left, top))


# --- The face of no real person ---------------------------------------------------------------------------------------

EYES = (slice(36, 42), slice(42, 48))
MIRRORED = np.array(  # which landmark a landmark becomes in a mirror
    [
        *(*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1)),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(*range(54, 47, -1), *range(59, 54, -1), 64, 63, 62, 61, 60, 67, 66, 65),
    ]
)


def normalised(landmarks: Points) -> Points:
    """Move, turn and scale to eyes at (-0.5, 0) and (0.5, 0)."""
    left, right = landmarks[EYES[0]].mean(axis=0), landmarks[EYES[1]].mean(axis=0)
    x, y = right - left
    turn = np.array([[x, -y], [y, x]]) / (x * x + y * y)
    moved: Points = (landmarks - (left + right) / 2) @ turn
    return moved


def eye_distance(landmarks: Points) -> float:
    return float(np.linalg.norm(landmarks[EYES[1]].mean(axis=0) - landmarks[EYES[0]].mean(axis=0)))


def with_forehead(landmarks: Points, height: float = 0.69) -> Points:
    """Add nine points of the hairline and nine far outside, so that the whole head is warped: (86, 2).

    The hairline lies `height` times as far above the eyes as the chin lies below.
    """
    eye, chin = landmarks[36:48].mean(axis=0), landmarks[8]
    up = (eye - chin) * height
    across = (landmarks[16] - landmarks[0]) / 2
    angles = np.linspace(np.pi, 0, 9)
    middle = (landmarks[0] + landmarks[16]) / 2
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    hairline = middle + arc[:, :1] * across * 0.98 + arc[:, 1:] * (eye + up - middle)
    ring = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    far = eye + np.stack([np.cos(ring), np.sin(ring)], axis=1) * np.linalg.norm(eye - chin) * 2.6
    return np.concatenate([landmarks, hairline, far])


def random_shape(faces: Sequence[SourceFace], rng: np.random.Generator) -> Points:
    """Return normalised landmarks (68, 2) of a face that none of `faces` has, its mouth closed."""
    shares = _shares(faces, rng)
    closed = np.array([share * (face.photo.mouth + 1e-3) for share, face in zip(shares, faces, strict=True)])
    shapes = np.array([normalised(face.landmarks) for face in faces])
    shape: Points = np.tensordot(shares, shapes, 1)
    shape[48:] = np.tensordot(closed / closed.sum(), shapes[:, 48:], 1)
    mirrored = shape[MIRRORED] * (-1, 1)
    shape = shape + (mirrored - shape) * 0.42  # no face is quite symmetric
    _deform(shape, rng)
    _reproportion(shape, rng)
    _close_mouth(shape)
    return shape


def _shares(faces: Sequence[SourceFace], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the share of each photograph; a person with two photographs has no more than the others."""
    people = [face.photo.person for face in faces]
    # Nearly even: the less one person lends, the less there is to recognise. What tells selves apart is their shape.
    return capped(rng.dirichlet([20.0 / people.count(person) for person in people]), people)


def _deform(shape: Points, rng: np.random.Generator) -> None:
    def scale(part: slice, x: float, y: float) -> None:
        centre = shape[part].mean(axis=0)
        shape[part] = centre + (shape[part] - centre) * (1 + rng.normal(0, x), 1 + rng.normal(0, y))

    softness = rng.uniform(0, 1)  # a narrower jaw, larger eyes, fuller lips
    down = np.clip(shape[:17, 1] / shape[8, 1], 0, 1)  # 0 beside the eyes, 1 at the chin
    shape[:17, 0] *= 1 - 0.09 * softness * down
    shape[:17, 1] *= 1 - 0.06 * softness * down
    shape[17:27, 1] -= 0.03 * softness
    lower = shape[:, 1] > 0
    shape[lower, 1] *= 1 + rng.normal(0, 0.045)
    shape[:17, 0] *= 1 + rng.normal(-0.05, 0.04) + down * rng.normal(0, 0.06)
    shape[:17, 1] *= 1 + rng.normal(0, 0.03) * down**2
    for part in EYES:
        shape[part, 0] *= 1 + rng.normal(0, 0.02)
    scale(slice(27, 36), 0.09, 0.03)
    scale(slice(48, 68), 0.06, 0.12)
    lips = np.abs(shape[48:, 0] - shape[48:, 0].mean()) / np.ptp(shape[48:, 0]) * 2
    shape[48:, 1] -= rng.uniform(0.02, 0.10) * lips**2  # a hint of a smile
    shape[48:, 1] += rng.normal(0, 0.02)
    opening, brow_height, brow_tilt = rng.normal(0, 0.10), rng.normal(-0.01, 0.025), rng.normal(0, 0.02)
    for part in EYES:
        centre = shape[part].mean(axis=0)
        shape[part] = centre + (shape[part] - centre) * (1.02 + 0.08 * softness, 1.08 + 0.14 * softness + opening)
    shape[17:27, 1] += brow_height + brow_tilt * np.abs(shape[17:27, 0])


def _reproportion(shape: Points, rng: np.random.Generator) -> None:
    """Change what a person is known by: how far apart the features are, and how large against the head.

    Drawn between bounds, because the tails of a normal distribution do not look human.
    """
    broad, wide, tall, nose, mouth = 1 + rng.uniform(-1, 1, 5) * (0.10, 0.10, 0.12, 0.20, 0.14)
    apart, lower = rng.uniform(-1, 1, 2) * (0.065, 0.08)
    shape[:, 0] *= broad
    middle = np.array((0, shape[27:36, 1].mean()))
    shape[17:] = middle + (shape[17:] - middle) * (wide, tall)
    shape[[*range(17, 22), *range(36, 42)], 0] -= apart
    shape[[*range(22, 27), *range(42, 48)], 0] += apart
    shape[29:36, 1] += lower * np.array((0.3, 0.7, 1, 1, 1, 1, 1))
    shape[48:, 1] += lower * 0.8
    shape[31:36, 0] *= nose
    shape[48:, 0] *= mouth


def _close_mouth(shape: Points) -> None:
    upper, lower = shape[[61, 62, 63]], shape[[67, 66, 65]]
    gap = (lower - upper) * 0.38  # nearly: lips that touch would fold the mesh
    shape[[61, 62, 63]] += gap
    shape[[67, 66, 65]] -= gap
    shape[[50, 51, 52]] += gap * 0.6
    shape[[58, 57, 56]] -= gap * 0.6


def morph(faces: Sequence[SourceFace], landmarks: Points, size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Return the blend (height, width, 3) in CIELAB of all `faces`, each warped onto `landmarks` (68, 2).

    Only the face itself means anything: outside of the hairline and the jaw there is debris.
    """
    target = with_forehead(landmarks)
    mesh = Delaunay(target)
    regions = _regions(landmarks, size)
    shares = _shares(faces, rng)
    people = [face.photo.person for face in faces]
    weights = []
    for region, name in zip(regions, ("eyes", "mouth", "forehead", "rest"), strict=True):
        fit = np.array([(share + 0.05) * getattr(f.photo, name) for share, f in zip(shares, faces, strict=True)])
        weights.append([region * weight for weight in capped(fit, people)])
    summed = [np.sum(list(of_face), axis=0) for of_face in zip(*weights, strict=True)]
    blend = np.zeros((*size[::-1], 3), np.float32)
    for face, weight in zip(faces, summed, strict=True):
        blend += _warped(face, target, mesh, size) * weight[..., None]
    return blend


def capped(fit: NDArray[np.float64], people: Sequence[str]) -> NDArray[np.float64]:
    """Scale to a sum of 1 in which no person has more than MOST_OF_ONE_PERSON, or than half where there are but two."""
    names = sorted(set(people))
    owner = np.array([[name == person for person in people] for name in names])
    fits = owner @ fit
    shares, full = fits / fits.sum(), np.zeros(len(names), bool)
    most = max(MOST_OF_ONE_PERSON, 1 / np.count_nonzero(fits))
    while (shares > most + 1e-9).any():  # what one may not have goes to the others, which may then be too much in turn
        full |= shares > most
        free = np.where(full, 0, fits)
        shares = np.where(full, most, free * (1 - most * full.sum()) / free.sum())
    weights: NDArray[np.float64] = fit * ((shares / np.maximum(fits, TINY)) @ owner)
    return weights


def _regions(landmarks: Points, size: tuple[int, int]) -> list[Floats]:
    """Eyes, mouth, forehead and the rest: soft masks (height, width) that sum to 1."""
    unit = eye_distance(landmarks)
    ring = with_forehead(landmarks)[68:77]
    eyes: Floats = soft_mask(
        np.concatenate([landmarks[17:27] - np.array((0, 0.1 * unit)), landmarks[[0, 2, 14, 16, 30]]]), size, 0.10 * unit
    )
    lips = landmarks[48:60]
    mouth = soft_mask(lips.mean(axis=0) + (lips - lips.mean(axis=0)) * (1.45, 1.9), size, 0.08 * unit)
    above = np.concatenate([ring + (ring - landmarks[27]) * 0.5, landmarks[[0, 16]], landmarks[17:27]])
    forehead = soft_mask(above, size, 0.10 * unit)
    mouth *= 1 - eyes
    forehead *= (1 - eyes) * (1 - mouth)
    return [eyes, mouth, forehead, 1 - eyes - mouth - forehead]


def soft_mask(points: Points, size: tuple[int, int], sigma: float) -> Floats:
    """Return the convex hull of `points` as a mask (height, width) from 0 to 1 with an edge of `sigma` pixels."""
    shrink = 2 ** int(np.clip(np.log2(sigma / 2), 0, 3))  # a wide blur is cheaper, and the same, on a smaller mask
    small = (size[1] // shrink, size[0] // shrink)
    mask = np.zeros(small, np.uint8)
    hull = cv2.convexHull(points.astype(np.float32) / shrink)
    cv2.fillConvexPoly(mask, np.round(hull * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma / shrink)
    return cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR) if shrink > 1 else soft


def _warped(face: SourceFace, target: Points, mesh: Delaunay, size: tuple[int, int]) -> Floats:
    source = _inner_head(face.landmarks)
    label = np.zeros(size[::-1], np.int32)
    transforms = np.empty((len(mesh.simplices), 2, 3), np.float32)
    for index, corners in enumerate(mesh.simplices):
        transforms[index] = cv2.getAffineTransform(
            target[corners].astype(np.float32), source[corners].astype(np.float32)
        )
        cv2.fillConvexPoly(label, np.round(target[corners]).astype(np.int32), index)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    affine = transforms[label]
    where = affine[..., 0] * x[..., None] + affine[..., 1] * y[..., None] + affine[..., 2]
    where = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 3)  # the mesh's edges must not show
    return cv2.remap(face.even_lab, where, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _inner_head(landmarks: Points) -> Points:
    """Return the head's points drawn in from jaw and hairline, so that no collar, hat or hair comes into the blend."""
    points = with_forehead(landmarks, 0.58)
    outer = [*range(17), *range(68, 77)]
    points[outer] += (landmarks[27:34].mean(axis=0) - points[outer]) * 0.07
    return points
