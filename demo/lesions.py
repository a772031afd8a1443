"""Painted acne: lesions on skin as a function of severity."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from demo.public_domain_faces import Floats, Points, eye_distance, soft_mask, with_forehead

FACE_MM = 180  # from the hairline to the chin of a grown-up

# How many of each kind there are at each severity; in between, linearly. Published counts of inflamed lesions for the
# five grades start at about 0, 3, 8, 20 and 50.
SEVERITIES = (0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.4)
COUNTS = {
    "mark": (0, 0, 1, 2, 3, 5, 8, 13, 20, 28, 36),
    "comedo": (0, 1, 3, 6, 9, 13, 18, 24, 32, 40, 46),
    "papule": (0, 0, 1, 3, 6, 10, 16, 25, 38, 54, 68),
    "pustule": (0, 0, 0, 0, 1, 2, 5, 9, 14, 20, 26),
    "nodule": (0, 0, 0, 0, 0, 0, 0, 1, 4, 8, 12),
}
MOST = np.array([26, 23, 12], np.float32)  # how far lightness, red and yellow can move where lesions overlap
# Smallest and largest diameter in millimetres.
DIAMETERS = {"mark": (2.0, 4.5), "comedo": (0.8, 1.5), "papule": (2.2, 5.0), "pustule": (2.4, 5.0), "nodule": (6, 11)}


@dataclass(frozen=True)
class Lesion:
    """One lesion: its centre and radius in pixels, its own shape and strength."""

    kind: str
    x: float
    y: float
    radius: float
    stretch: float  # width over height
    angle: float  # radians
    strength: float  # about 1


def paint(lab: Floats, landmarks: Points, severity: float, rng: np.random.Generator) -> None:
    """Paint acne of `severity` into the CIELAB picture (height, width, 3) of a face with `landmarks` (68, 2).

    With the same state of `rng` and a higher severity, every lesion stays and others join them.
    """
    skin = skin_mask(landmarks, (lab.shape[1], lab.shape[0]))
    _flush(lab, landmarks, skin, severity)
    change = np.zeros_like(lab)
    for lesion in scatter(landmarks, skin, severity, rng):
        _paint_one(change, lesion, lab)
    lab += MOST * np.tanh(change / MOST) * skin[..., None]


def count(kind: str, severity: float) -> int:
    return round(float(np.interp(severity, SEVERITIES, COUNTS[kind])))


def skin_mask(landmarks: Points, size: tuple[int, int]) -> Floats:
    """Return where lesions may be: the face without its features and its outline, (height, width) from 0 to 1."""
    centre = landmarks[27:31].mean(axis=0)
    around = np.concatenate([landmarks[:17], with_forehead(landmarks)[68:77]])
    head: Floats = soft_mask(centre + (around - centre) * 0.90, size, 0.03 * eye_distance(landmarks))
    skin: Floats = head * (1 - feature_mask(landmarks, size))
    return skin


def feature_mask(landmarks: Points, size: tuple[int, int]) -> Floats:
    """Return eyes, brows, nostrils and lips, (height, width) from 0 to 1."""
    unit = eye_distance(landmarks)
    plain: Floats = 1 - eyes_and_lips(landmarks, size)
    above, below = np.array([(0, 0.07), (0, 0.12)]) * unit
    for brow in (landmarks[17:22], landmarks[22:27]):
        plain *= 1 - soft_mask(np.concatenate([brow - above, brow + below]), size, 0.02 * unit)
    nostrils = np.concatenate([landmarks[31:36] - above, landmarks[31:36] + 0.5 * below])
    features: Floats = 1 - plain * (1 - soft_mask(nostrils, size, 0.02 * unit))
    return features


def eyes_and_lips(landmarks: Points, size: tuple[int, int]) -> Floats:
    """Return what is not coloured like skin at all, (height, width) from 0 to 1."""
    plain = np.ones(size[::-1], np.float32)
    for part, x, y in ((slice(36, 42), 1.45, 2.9), (slice(42, 48), 1.45, 2.9), (slice(48, 60), 1.08, 1.15)):
        middle = landmarks[part].mean(axis=0)
        around = middle + (landmarks[part] - middle) * (x, y)
        plain *= 1 - soft_mask(around, size, 0.02 * eye_distance(landmarks))
    return 1 - plain


def scatter(landmarks: Points, skin: Floats, severity: float, rng: np.random.Generator) -> list[Lesion]:
    """Draw where every lesion is. The same `rng` gives the same places; `severity` says how many of them are taken."""
    grid = 4  # pixels: lesions needn't be placed finer
    density = _density(landmarks / grid, skin[::grid, ::grid], rng)
    places = np.flatnonzero(density)
    odds = density.ravel()[places] / density.sum()
    scale = np.linalg.norm(with_forehead(landmarks)[72] - landmarks[8]) / FACE_MM
    lesions = []
    for kind, most in COUNTS.items():
        low, high = DIAMETERS[kind]
        drawn = rng.choice(places, most[-1], p=odds)
        traits = rng.random((most[-1], 6))
        for place, (dx, dy, size, stretch, angle, strength) in list(zip(drawn, traits, strict=True))[
            : count(kind, severity)
        ]:
            y, x = divmod(int(place), density.shape[1])
            lesions.append(
                Lesion(
                    kind=kind,
                    x=(x + dx) * grid,
                    y=(y + dy) * grid,
                    radius=(low + (high - low) * size**1.5) / 2 * scale,
                    stretch=0.8 + 0.5 * stretch,
                    angle=angle * np.pi,
                    strength=(0.9 + 0.55 * strength) * _vigour(severity),
                )
            )
    return lesions


def _vigour(severity: float) -> float:
    """Worse acne is angrier, too."""
    return float(np.interp(severity, (0.6, 1.5, 3.0, 5.4), (0.55, 0.75, 1.0, 1.2)))


def _density(landmarks: Points, skin: Floats, rng: np.random.Generator) -> Floats:
    """Acne likes the cheeks, the chin and the forehead, and comes in clusters."""
    unit = eye_distance(landmarks)
    y, x = np.mgrid[: skin.shape[0], : skin.shape[1]].astype(np.float32)

    def bump(centre: Points, width: float) -> Floats:
        result: Floats = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (width * unit) ** 2))
        return result

    forehead = with_forehead(landmarks)[70:75].mean(axis=0)
    cheeks = [landmarks[[3, 31, 48]].mean(axis=0), landmarks[[13, 35, 54]].mean(axis=0)]
    homes = [
        *cheeks,
        forehead * 0.55 + landmarks[27] * 0.45,
        landmarks[[8, 57]].mean(axis=0),
        landmarks[5],
        landmarks[11],
    ]
    likings = rng.dirichlet([9.0, 9.0, 8.0, 6.0, 4.0, 4.0]) * len(homes)
    density: Floats = np.full(skin.shape, 0.25, np.float32)
    for home, liking in zip(homes, likings, strict=True):
        density += liking * 0.45 * bump(home, 0.34)
        for _ in range(2):
            density += liking * 0.5 * bump(home + rng.normal(0, 0.26, 2) * unit, 0.10)
    return np.where(skin > 0.85, density, 0).astype(np.float32)


def _flush(lab: Floats, landmarks: Points, skin: Floats, severity: float) -> None:
    """Redden the skin around: erythema grows with the acne."""
    amount = max(0.0, severity - 1.5) * 2.2
    if amount:
        unit = eye_distance(landmarks)
        forehead = with_forehead(landmarks)[[70, 72, 74]]
        places = [
            landmarks[[2, 3, 4, 31, 48]],
            landmarks[[14, 13, 12, 35, 54]],
            landmarks[[6, 7, 8, 9, 10]],
            np.concatenate([landmarks[[19, 24]], forehead]),
        ]
        red = sum(
            (soft_mask(place, (lab.shape[1], lab.shape[0]), 0.18 * unit) for place in places), np.zeros_like(skin)
        )
        lab[..., 1] += red * skin * amount
        lab[..., 0] -= red * skin * amount * 0.4


def _paint_one(change: Floats, lesion: Lesion, lab: Floats) -> None:
    reach = int(lesion.radius * 3.6) + 3
    left, top = int(lesion.x) - reach, int(lesion.y) - reach
    if left < 0 or top < 0 or left + 2 * reach >= lab.shape[1] or top + 2 * reach >= lab.shape[0]:
        return
    window = (slice(top, top + 2 * reach), slice(left, left + 2 * reach))
    y, x = np.mgrid[window].astype(np.float32)
    dx, dy = x - lesion.x, y - lesion.y
    cos, sin = np.cos(lesion.angle), np.sin(lesion.angle)
    along, across = (dx * cos + dy * sin) / lesion.stretch, (dy * cos - dx * sin) * lesion.stretch
    lumps = (
        1
        + 0.13 * np.sin(2 * np.arctan2(dy, dx) + 5 * lesion.angle)
        + 0.08 * np.sin(5 * np.arctan2(dy, dx) + lesion.angle)
    )
    distance = np.hypot(along, across) / (lesion.radius * lumps)
    painted = PAINTERS[lesion.kind](distance, dx / lesion.radius, dy / lesion.radius)
    change[window] += painted * lesion.strength * _on_tone(float(np.median(lab[window][..., 0])))


def _on_tone(lightness: float) -> Floats:
    """On dark skin inflammation is less red, and its trace darker, than on light skin."""
    dark = np.clip((62 - lightness) / 40, 0, 1)
    return np.array([1 + 0.15 * dark, 1 - 0.45 * dark, 1 - 0.45 * dark], np.float32)


def _disc(distance: Floats, edge: float) -> Floats:
    """1 within the lesion, 0 outside, with a soft edge whose width is a share of the radius."""
    return 1 / (1 + np.exp((distance - 1) / edge))


def _lab(lightness: Floats, red: Floats, yellow: Floats) -> Floats:
    return np.stack([lightness, red, yellow], axis=-1)


def _bump(distance: Floats, dx: Floats, dy: Floats, height: float) -> Floats:
    """Light from above: what is raised is lighter above and darker below, with a small gleam."""
    slope: Floats = -dy * np.exp(-((distance / 0.9) ** 2))
    gleam = np.exp(-(((dx + 0.2) ** 2 + (dy + 0.35) ** 2) / 0.08))
    return height * (slope + 0.9 * gleam)


def _mark(distance: Floats, dx: Floats, dy: Floats) -> Floats:
    del dx, dy
    flat = _disc(distance, 0.24)
    return _lab(-4.5 * flat, 4.0 * flat, 1.0 * flat)


def _comedo(distance: Floats, dx: Floats, dy: Floats) -> Floats:
    pore = np.exp(-((distance / 0.65) ** 2))
    ring = _disc(distance / 1.5, 0.25)
    return _lab(_bump(distance, dx, dy, 1.5) + 2.5 * ring - 14 * pore, 1.2 * ring, 1.0 * pore)


def _papule(distance: Floats, dx: Floats, dy: Floats) -> Floats:
    body, halo = _disc(distance, 0.13), np.exp(-((distance / 1.9) ** 2))
    return _lab(-6.0 * body - 1.5 * halo + _bump(distance, dx, dy, 2.6), 9 * body + 3.5 * halo, 2.0 * body + halo)


def _pustule(distance: Floats, dx: Floats, dy: Floats) -> Floats:
    body, halo, head = _disc(distance, 0.13), np.exp(-((distance / 2.0) ** 2)), _disc(distance / 0.5, 0.2)
    return _lab(
        -6 * body - 1.5 * halo + 17 * head + _bump(distance, dx, dy, 1.6),
        9 * body + 4 * halo - 11 * head,
        2 * body + halo + 3 * head,
    )


def _nodule(distance: Floats, dx: Floats, dy: Floats) -> Floats:
    body, halo = _disc(distance, 0.15), np.exp(-((distance / 1.6) ** 2))
    core = np.exp(-((distance / 0.6) ** 2))
    return _lab(-8 * body - 3 * halo - 2 * core + _bump(distance, dx, dy, 3.2), 8 * body + 5 * halo, 1.5 * body + halo)


PAINTERS: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "mark": _mark,
    "comedo": _comedo,
    "papule": _papule,
    "pustule": _pustule,
    "nodule": _nodule,
}
