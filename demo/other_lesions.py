"""Acne painted in another way, to test machines that were developed on `lesions`.

Nothing is shared with `lesions` but the skin: lesions are counted by a power of severity, their sizes are log-normal,
they lie evenly or along the jaw and the hairline rather than in clusters on the cheeks, and they are flat spots of
brown and violet, blurred at the edge, without light and shadow; no flush lies around them.
"""

import numpy as np

from demo.lesions import FACE_MM, skin_mask
from demo.public_domain_faces import Floats, Points, eye_distance, with_forehead

MOST = 160  # spots of the worst face
LEAST, WORST = 0.6, 5.4  # severity
POWER = 1.7  # spots grow faster than severity
DIAMETER = 2.6  # mm, the median
SPREAD = 0.45  # of its logarithm
COLOURS = np.array([(-9, 5, 6), (-12, 7, -3), (-6, 10, 1)], np.float32)  # CIELAB: brown, violet, dull red
REACH = 3  # radii: beyond, a spot is not seen


def paint(lab: Floats, landmarks: Points, severity: float, rng: np.random.Generator) -> None:
    """Paint acne of `severity` into the CIELAB picture (height, width, 3) of a face with `landmarks` (68, 2).

    With the same state of `rng` and a higher severity, every spot stays and others join them.
    """
    skin = skin_mask(landmarks, (lab.shape[1], lab.shape[0]))
    places = _places(landmarks, skin, rng)
    millimetre = np.linalg.norm(with_forehead(landmarks)[72] - landmarks[8]) / FACE_MM
    radii = DIAMETER / 2 * millimetre * np.exp(rng.normal(0, SPREAD, MOST))
    colours = COLOURS[rng.integers(len(COLOURS), size=MOST)] * rng.uniform(0.7, 1.3, (MOST, 1)).astype(np.float32)
    change = np.zeros_like(lab)
    for number in range(count(severity)):
        _paint_one(change, places[number], float(radii[number]), colours[number])
    lab += np.clip(change, -18, 18) * skin[..., None]


def count(severity: float) -> int:
    share = (np.clip(severity, LEAST, WORST) - LEAST) / (WORST - LEAST)
    return round(float(MOST * share**POWER))


def _places(landmarks: Points, skin: Floats, rng: np.random.Generator) -> Points:
    """Draw (MOST, 2) places: evenly over the skin, and more along the jaw and the hairline."""
    edge = np.concatenate([landmarks[2:15], with_forehead(landmarks)[69:76]])
    middle, unit = landmarks[27:31].mean(axis=0), eye_distance(landmarks)
    inside = middle + (edge - middle) * 0.82
    y, x = np.mgrid[: skin.shape[0] : 4, : skin.shape[1] : 4]
    away = np.min(np.hypot(x[..., None] - inside[:, 0], y[..., None] - inside[:, 1]), axis=-1) / unit
    density = np.where(skin[::4, ::4] > 0.85, 0.35 + np.exp(-((away / 0.22) ** 2)), 0).ravel()
    drawn = rng.choice(len(density), MOST, p=density / density.sum())
    rows, columns = np.divmod(drawn, x.shape[1])
    return np.stack([columns, rows], axis=1) * 4.0 + rng.uniform(0, 4, (MOST, 2))


def _paint_one(change: Floats, place: Points, radius: float, colour: Floats) -> None:
    reach = int(radius * REACH) + 1
    left, top = max(int(place[0]) - reach, 0), max(int(place[1]) - reach, 0)
    window = (slice(top, top + 2 * reach), slice(left, left + 2 * reach))
    y, x = np.mgrid[window]
    rows, columns = change[window].shape[:2]
    distance = np.hypot(x - place[0], y - place[1])[:rows, :columns] / radius
    change[window] += np.exp(-(distance**3))[..., None].astype(np.float32) * colour
