"""Made portraits with acne of a known severity, as a phone would take them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from demo import lesions, public_domain_faces
from demo.public_domain_faces import Floats, Points
from scoring.photograph.decoding import Pixels

WIDTH, HEIGHT = SIZE = (900, 1200)  # pixels
HALF = (450, 600)  # pixels: the photographs hold no more detail than that

# CIELAB of skin from very light to very dark, about Fitzpatrick's types I to VI.
SKIN_TONES = np.array([(73, 12, 17), (70, 13, 19), (65, 14, 21), (57, 15, 23), (48, 15, 21), (39, 13, 17)], np.float32)
HAIR_COLOURS = np.array(
    [(22, 18, 16), (38, 27, 20), (62, 42, 28), (98, 68, 42), (150, 112, 70), (96, 46, 26)], np.float32
)
HAIRCUTS = ("short", "tied", "long", "band")


BROW = np.array((0, 13))  # pixels of HALF, above and below the line of a brow


Painter = Callable[[Floats, Points, float, np.random.Generator], None]


@dataclass(frozen=True)
class Subject:
    """The person in a portrait, independent of the photograph."""

    landmarks: Points
    skin: Floats  # (3,) CIELAB
    hair: Floats  # (3,) RGB
    haircut: str
    cloth: Floats  # (3,) RGB
    volume: float  # of the hair, about 1
    part: float  # of long hair, radians
    softness: float  # 0 to 1: lighter brows, redder lips


def portrait(severity: float, rng: np.random.Generator, *, paint: Painter = lesions.paint) -> tuple[Floats, Points]:
    """Return a head in front of a room, (HEIGHT, WIDTH, 3) RGB 0..255, and its landmarks (68, 2).

    `paint` puts the acne on the face.
    """
    subject = _somebody(rng)
    skin_rng, acne_rng, hair_rng = rng.spawn(3)
    face = _face(subject, skin_rng)
    flesh = _rgb(_cheeks(face, subject.landmarks)[None, None])[0, 0]
    paint(face, subject.landmarks, severity, acne_rng)
    picture = _room(rng)
    _paint_back_hair(picture, subject, hair_rng)
    _paint_body(picture, subject, flesh, rng)
    _lay(picture, _rgb(face), _head_mask(subject))
    _paint_hair(picture, subject, hair_rng)
    if subject.haircut != "long":
        _paint_ears(picture, subject, flesh)
    return picture, subject.landmarks


def _cheeks(face: Floats, landmarks: Points) -> Floats:
    """Return the colour of the lower cheeks, (3,) CIELAB: ears and neck have to match it."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for part in ([3, 4, 5, 48, 31], [13, 12, 11, 54, 35]):
        cv2.fillConvexPoly(mask, cv2.convexHull(landmarks[part].astype(np.int32)), 1)
    colour: Floats = np.median(face[mask > 0], axis=0)
    return colour


def _somebody(rng: np.random.Generator) -> Subject:
    shape = public_domain_faces.random_shape(public_domain_faces.load(), rng)
    tone = rng.uniform(0, len(SKIN_TONES) - 1)
    below = min(int(tone), len(SKIN_TONES) - 2)
    skin = SKIN_TONES[below] + (SKIN_TONES[below + 1] - SKIN_TONES[below]) * (tone - below)
    darkest = 2 if tone > 3 else len(HAIR_COLOURS)
    haircut = HAIRCUTS[rng.choice(4, p=(0.3, 0.2, 0.3, 0.2))]
    scale = rng.uniform(235, 285)  # pixels between the eyes
    return Subject(
        landmarks=shape * scale + (WIDTH / 2, HEIGHT * 0.455),
        skin=(skin + rng.normal(0, (1.5, 1, 1))).astype(np.float32),
        hair=HAIR_COLOURS[rng.integers(darkest)] * rng.uniform(0.8, 1.2),
        haircut=haircut,
        cloth=np.array(rng.uniform(40, 220, 3) * 0.5 + rng.uniform(20, 110), np.float32),
        volume=rng.uniform(0.85, 1.6 if haircut in {"short", "long"} else 1.0),
        part=np.pi / 2 + rng.uniform(-0.4, 0.4),
        softness=rng.uniform(0, 1) ** (2 if haircut == "short" else 0.5),
    )


# --- Skin -------------------------------------------------------------------------------------------------------------


def _face(subject: Subject, rng: np.random.Generator) -> Floats:
    """Return the morph in the subject's skin tone, (HEIGHT, WIDTH, 3) CIELAB, with the texture of skin."""
    half = _morph(subject.landmarks / 2, rng)
    features = lesions.feature_mask(subject.landmarks / 2, HALF)
    _smooth(half, features, lesions.eyes_and_lips(subject.landmarks / 2, HALF))
    _make_up(half, subject)
    lab: Floats = cv2.resize(half, SIZE, interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(lab[..., 0], (0, 0), 2.2)
    lab[..., 0] += (lab[..., 0] - soft) * 0.9
    _tone(lab, subject.skin)
    _texture(lab, 1 - cv2.resize(features, SIZE), rng)
    _round_off(lab, subject.landmarks)
    _shine(lab, subject.landmarks, rng.uniform(1.5, 4.5) + (70 - float(subject.skin[0])) / 10)  # more seen on dark skin
    return lab


def _shine(lab: Floats, landmarks: Points, amount: float) -> None:
    """Add the gleam of oily skin on forehead, nose and cheekbones."""
    unit = public_domain_faces.eye_distance(landmarks)
    forehead = landmarks[27] - (0, 0.62 * unit) + np.array([(-0.4, 0), (0.4, 0), (0, 0.12), (0, -0.12)]) * unit
    aside = np.array((0.025 * unit, 0))
    nose = np.concatenate([landmarks[27:31] - aside, landmarks[27:31] + aside])
    cheek = np.array([(-0.13, 0), (0.13, 0.03), (0, -0.06), (0, 0.06)]) * unit
    cheeks = [landmarks[eye] + (0, 0.33 * unit) + cheek * (side, 1) for eye, side in ((36, 1), (45, -1))]
    for place, spread, share in ((forehead, 0.13, 0.9), (nose, 0.03, 1.1), (cheeks[0], 0.09, 1), (cheeks[1], 0.09, 1)):
        gleam = public_domain_faces.soft_mask(place, SIZE, spread * unit)
        lab[..., 0] += gleam * amount * share


def _morph(landmarks: Points, rng: np.random.Generator) -> Floats:
    """Blend the photographs, or in every second case their mirror images."""
    if rng.random() < 0.5:
        return public_domain_faces.morph(public_domain_faces.load(), landmarks, HALF, rng)
    mirrored = landmarks[public_domain_faces.MIRRORED] * (-1, 1) + (HALF[0] - 1, 0)
    return np.ascontiguousarray(public_domain_faces.morph(public_domain_faces.load(), mirrored, HALF, rng)[:, ::-1])


def _round_off(lab: Floats, landmarks: Points) -> None:
    """Darken towards the outline, where the skin turns away from the light."""
    width = landmarks[16, 0] - landmarks[0, 0]
    centre = landmarks[27:31].mean(axis=0)
    around = np.concatenate([landmarks[:17], public_domain_faces.with_forehead(landmarks)[68:77]])
    turned = public_domain_faces.soft_mask(centre + (around - centre) * 0.97, SIZE, 0.075 * width)
    lab[..., 0] *= 0.70 + 0.30 * np.clip(turned * 1.15, 0, 1)


def _smooth(lab: Floats, features: Floats, coloured: Floats) -> None:
    """Take the wrinkles out of the skin, for acne is young, and give the features the contrast that blending took."""
    base = cv2.GaussianBlur(lab, (0, 0), 9)
    wide = cv2.resize(cv2.GaussianBlur(base[::4, ::4, 0], (0, 0), 6), features.shape[::-1])
    fine = cv2.bilateralFilter(lab[..., 0], 7, 6, 4)
    shaded = np.clip(base[..., 0] + (base[..., 0] - wide) * 0.6, 46, 73)
    kept = shaded + np.clip(fine - base[..., 0], -14, 8) * 0.5
    sharp = lab[..., 0] + (lab[..., 0] - base[..., 0]) * 0.35 + np.minimum(lab[..., 0] - wide, 0) * 0.35
    sharp = np.minimum(sharp, wide + 6 + 20 * coloured)
    lab[..., 0] = kept + (sharp - kept) * features
    hue = np.clip(base[..., 1:], (11, 14), (17.5, 21))  # what is bluer or whiter is background
    lab[..., 1:] += (hue - lab[..., 1:]) * (1 - coloured[..., None]) * 0.85


def _make_up(lab: Floats, subject: Subject) -> None:
    """Redden the lips, which blending has greyed, and thin the brows out."""
    points, size = subject.landmarks / 2, HALF
    lips = public_domain_faces.soft_mask(points[48:60], size, 3)
    lab[..., 1] += lips * (3 + 5 * subject.softness)
    lab[..., 0] -= lips * 2 * subject.softness
    for brow in (points[17:22], points[22:27]):
        area = public_domain_faces.soft_mask(np.concatenate([brow - BROW, brow + BROW]), size, 4)
        skin = cv2.GaussianBlur(np.maximum(lab[..., 0], 56), (0, 0), 6)
        lab[..., 0] += area * (skin - lab[..., 0]) * 0.45 * subject.softness


def _tone(lab: Floats, skin: Floats) -> None:
    """Darken or lighten by a factor, which keeps the shadows, and move the hue."""
    lab[..., 0] *= skin[0] / public_domain_faces.SKIN[0]
    lab[..., 1:] += skin[1:] - public_domain_faces.SKIN[1:]


def _texture(lab: Floats, skin: Floats, rng: np.random.Generator) -> None:
    noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    fine = cv2.GaussianBlur(noise, (0, 0), 0.9) - cv2.GaussianBlur(noise, (0, 0), 2.5)
    pores = np.minimum(cv2.GaussianBlur(np.roll(noise, 311), (0, 0), 1.6) * 4 + 0.9, 0)
    mottle = cv2.resize(
        rng.standard_normal((HEIGHT // 24, WIDTH // 24), dtype=np.float32),
        SIZE,
        interpolation=cv2.INTER_CUBIC,
    )
    lab[..., 0] += (fine * 4.5 + pores * 2.0 + mottle * 0.7) * (0.25 + 0.75 * skin)
    lab[..., 1] += mottle * 0.9 * skin


def _rgb(lab: Floats) -> Floats:
    rgb: Floats = cv2.cvtColor(np.ascontiguousarray(lab, dtype=np.float32), cv2.COLOR_LAB2RGB) * 255
    return rgb


# --- Everything around it ---------------------------------------------------------------------------------------------


def _lay(picture: Floats, layer: Floats, mask: Floats) -> None:
    """Lay `layer`, a picture or one colour (3,), over `picture` where `mask` says so."""
    left, top, width, height = cv2.boundingRect((mask > 0.002).astype(np.uint8))
    window = (slice(top, top + height), slice(left, left + width))
    over = layer[window] if layer.ndim == 3 else layer.astype(np.float32)
    picture[window] += (over - picture[window]) * mask[window][..., None]


def _head_mask(subject: Subject) -> Floats:
    """Return jaw and forehead, the latter up to under the hair."""
    jaw = _curve(subject.landmarks[:17])
    skull = _scalp(subject, 0.22, np.linspace(0.05, np.pi - 0.05, 40))
    return _fill(np.concatenate([jaw, skull]), 3)


def _room(rng: np.random.Generator) -> Floats:
    """Return a wall, some furniture and light, all out of focus."""
    wall = rng.uniform(110, 225) + rng.normal(0, 6, 3)
    room: Floats = np.empty((HEIGHT // 4, WIDTH // 4, 3), np.float32)
    room[:] = wall + np.linspace(15, -25, HEIGHT // 4)[:, None, None]
    for _ in range(rng.integers(2, 6)):
        x, y = rng.integers(0, WIDTH // 4), rng.integers(0, HEIGHT // 4)
        w, h = rng.integers(20, 110), rng.integers(30, 200)
        colour = wall * rng.uniform(0.45, 1.15) + rng.normal(0, 9, 3)
        cv2.rectangle(room, (int(x - w // 2), int(y - h // 2)), (int(x + w // 2), int(y + h // 2)), colour.tolist(), -1)
    room = cv2.GaussianBlur(room, (0, 0), float(rng.uniform(4, 9)))
    return cv2.resize(room, SIZE, interpolation=cv2.INTER_CUBIC).clip(0, 255)


def _fill(points: Points, blur: float) -> Floats:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.round(points * 8).astype(np.int32)], 255, cv2.LINE_AA, shift=3)
    return cv2.GaussianBlur(mask, (0, 0), blur).astype(np.float32) / 255


def _curve(corners: Points, *, closed: bool = False) -> Points:
    """Return a smooth line through `corners`."""
    if closed:
        corners = np.concatenate([corners, corners[:1]])
    spline = CubicSpline(np.arange(len(corners)), corners, bc_type="periodic" if closed else "natural")
    line: Points = spline(np.linspace(0, len(corners) - 1, 16 * len(corners)))
    return line


def _paint_body(picture: Floats, subject: Subject, flesh: Floats, rng: np.random.Generator) -> None:
    points = subject.landmarks
    chin, width = points[8], (points[16] - points[0])[0]
    middle = (points[4, 0] + points[12, 0]) / 2
    neck_top, half = points[[4, 12], 1].mean(), 0.455 * (points[12, 0] - points[4, 0])
    base = chin[1] + 0.34 * width
    left = _curve(
        np.array(
            [
                (middle - half, neck_top - 40),
                (middle - half * 0.98, chin[1]),
                (middle - half * 1.12, base),
                (middle - half * 2.2, base + 0.16 * width),
                (middle - half * 4.2, base + 0.42 * width),
                (middle - half * 4.6, HEIGHT + 60),
            ]
        )
    )
    right = left[::-1] * (-1, 1) + (2 * middle, 0)
    outline = np.concatenate([left, right])
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    across = (x - np.float32(middle)) / np.float32(half)
    shade = 0.97 - 0.22 * np.abs(across).clip(0, 1.3) ** 3 * (y < base + 60)
    shade *= 1 - 0.30 * public_domain_faces.soft_mask(points[2:15] + np.array((0, 0.10 * width)), SIZE, 0.05 * width)
    grain = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32), (0, 0), 1.0)[..., None] * 3
    _lay(picture, flesh * shade[..., None] + grain, _fill(outline, 2.5))
    neckline = base + rng.uniform(0.0, 0.2) * width - 0.30 * width * (across / 2.2) ** 2
    below = ((y - neckline) / 3 + 0.5).clip(0, 1)
    folds = cv2.resize(rng.standard_normal((9, 14), dtype=np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
    cloth = subject.cloth * (0.92 + 0.06 * folds - 0.03 * np.abs(across))[..., None] + grain * 1.5
    _lay(picture, cloth, _fill(outline, 2.0) * below)


def _paint_ears(picture: Floats, subject: Subject, flesh: Floats) -> None:
    points = subject.landmarks
    unit = 0.01 * (points[16] - points[0])[0]
    rim = np.array([(-1, -12), (4, -15), (7, -11), (6.4, -3), (4, 6), (2, 11), (-1, 9)])
    for side, root in ((-1, points[[0, 1]].mean(axis=0)), (1, points[[15, 16]].mean(axis=0))):
        flip = np.array((side * unit, unit))
        mask = _fill(_curve(root + rim * flip, closed=True), 2.2)
        left, top = np.maximum(root - 20 * unit, 0).astype(int)
        window = (slice(top, int(root[1] + 20 * unit)), slice(left, int(root[0] + 20 * unit)))
        y, x = np.mgrid[window].astype(np.float32)
        u, v = (x - root[0]) / flip[0], (y - root[1]) / flip[1]
        bowl = np.exp(-(((u - 2.2) / 2) ** 2) - ((v + 2) / 6) ** 2)
        fold = np.exp(-(((u - 4.2 - 0.006 * (v + 3) ** 2) / 0.8) ** 2) - ((v + 6) / 6) ** 2)
        shade = (0.97 - 0.20 * bowl - 0.08 * fold)[..., None] * np.array((1, 0.95, 0.94))
        _lay(picture[window], flesh * shade, mask[window])


# --- Hair -------------------------------------------------------------------------------------------------------------


def _scalp(subject: Subject, q: Points | float, angles: Points) -> Points:
    """Return points (n, 2) over the head: q from 0, the hairline, to 1, the outline; angles from 0, right, to pi."""
    points = subject.landmarks
    hairline = public_domain_faces.with_forehead(points)[68:77]
    middle = (points[0] + points[16]) / 2
    wide, high = (points[16] - points[0])[0] / 2, middle[1] - hairline[4, 1]
    outwards = np.where(q > 0, q * subject.volume, q)
    x, y = wide * (0.96 + 0.16 * outwards), high * (0.95 + 0.28 * outwards)
    round_x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** (1 - 0.18 * np.maximum(q, 0))
    round_y = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** (1 - 0.12 * np.maximum(q, 0))
    return np.stack([middle[0] + x * round_x, middle[1] - y * round_y], axis=1)


def _strands(
    picture: Floats, lines: list[Points], locks: Floats, subject: Subject, mask: Floats, rng: np.random.Generator
) -> None:
    """Paint hair: a dark ground under `mask`, and on it each line in a shade that it shares with its lock (0 to 1)."""
    layer = np.empty((HEIGHT, WIDTH, 3), np.float32)
    layer[:] = subject.hair * 0.6
    cover, opacity = np.zeros_like(mask), 1.0 if subject.haircut == "long" else 0.65  # a hairline is sparse
    shades = np.interp(locks, np.linspace(0, 1, 40), rng.uniform(0.75, 1.1, 40)) * rng.normal(1, 0.13, len(locks))
    gleams = np.maximum(rng.normal(0, 9, len(locks)), 0)  # RGB levels: even black hair shines
    for line, shade, gleam in zip(lines, shades, gleams, strict=True):
        drawn = [np.round(line * 8).astype(np.int32)]
        cv2.polylines(
            layer,
            drawn,
            isClosed=False,
            color=(subject.hair * shade + gleam).tolist(),
            thickness=2,
            lineType=cv2.LINE_AA,
            shift=3,
        )
        cv2.polylines(cover, drawn, isClosed=False, color=opacity, thickness=1, lineType=cv2.LINE_AA, shift=3)
    y = np.mgrid[:HEIGHT, :1][0].astype(np.float32)
    top = subject.landmarks[27, 1] - (subject.landmarks[8, 1] - subject.landmarks[27, 1]) * 0.75
    gloss = 1 + 0.22 * np.exp(-(((y - top) / 70) ** 2)) - 0.12 * np.clip((y - top) / HEIGHT, 0, 1)
    layer = cv2.GaussianBlur(layer, (0, 0), 0.8) * gloss[..., None]
    _lay(picture, layer, cv2.GaussianBlur(np.maximum(cover, mask), (0, 0), 1.1))


def _cap(subject: Subject, inner: float) -> Floats:
    over = np.linspace(-0.12, np.pi + 0.12, 60)
    full = np.ones(60) if subject.haircut == "long" else _fullness(over)
    outline = np.concatenate([_scalp(subject, full, over), _scalp(subject, inner, over)[::-1]])
    return _fill(outline, 2.5)


def _fullness(angles: Points) -> Points:
    """Hair thins out, to nothing, towards the ears."""
    from_ear = np.minimum(angles + 0.16, np.pi + 0.16 - angles)
    taper: Points = 1 - (1 - np.clip(from_ear / 0.55, 0, 1)) ** 2
    return taper


def _paint_back_hair(picture: Floats, subject: Subject, rng: np.random.Generator) -> None:
    if subject.haircut == "long":
        points = subject.landmarks
        wide, bottom = (points[16] - points[0])[0] / 2, points[8, 1] + 240
        top = _scalp(subject, 0.9, np.linspace(0, np.pi, 40))
        outline = np.concatenate([top, [(top[-1, 0] - 0.1 * wide, bottom)], [(top[0, 0] + 0.1 * wide, bottom)]])
        dark = replace(subject, hair=subject.hair * 0.6)
        across = np.sort(rng.uniform(top[-1, 0], top[0, 0], 300))
        lines = [np.array([(x, points[27, 1]), (x + rng.normal(0, 12), bottom)]) for x in across]
        _strands(picture, lines, np.linspace(0, 1, 300), dark, _fill(outline, 5), rng)


def _paint_hair(picture: Floats, subject: Subject, rng: np.random.Generator) -> None:
    painter = {"short": _short, "tied": _tied, "long": _long, "band": _tied}[subject.haircut]
    lines, locks, inner = painter(subject, rng)
    _strands(picture, lines, locks, subject, _cap(subject, inner), rng)
    if subject.haircut == "long":
        _paint_parting(picture, subject)
    if subject.haircut == "band":
        over = np.linspace(0.10, np.pi - 0.10, 60)
        band = np.concatenate([_scalp(subject, 0.42, over), _scalp(subject, 0.02, over)[::-1]])
        ribs = 0.93 + 0.07 * np.sin(np.arange(WIDTH, dtype=np.float32) * 0.9)
        _lay(picture, np.broadcast_to(subject.cloth[::-1] * ribs[:, None], picture.shape), _fill(band, 2))


def _paint_parting(picture: Floats, subject: Subject) -> None:
    """Let the scalp shine through where long hair is parted."""
    line = np.zeros((HEIGHT, WIDTH), np.float32)
    points = _scalp(subject, np.linspace(-0.02, 0.5, 12), np.full(12, subject.part))
    cv2.polylines(line, [np.round(points * 8).astype(np.int32)], isClosed=False, color=0.7, thickness=4, shift=3)
    scalp = _rgb(subject.skin[None, None])[0, 0] * 0.35 + subject.hair * 0.4
    _lay(picture, scalp, cv2.GaussianBlur(line, (0, 0), 1.6))


def _short(subject: Subject, rng: np.random.Generator) -> tuple[list[Points], Floats, float]:
    count, length = 3000, rng.uniform(0.10, 0.3)
    angles, lean = rng.uniform(-0.12, np.pi + 0.12, count), rng.normal(0, 0.12, count)
    reach = rng.uniform(-0.03, 0.95, count) * (0.25 + 0.75 * _fullness(angles))
    path = [
        _scalp(subject, reach + step * length * _fullness(angles), np.clip(angles + lean * step, -0.16, np.pi + 0.16))
        for step in (0, 0.5, 1)
    ]
    path[2] += rng.normal(0, 3, (count, 2))
    return list(np.stack(path, axis=1)), rng.random(count), 0.12


def _tied(subject: Subject, rng: np.random.Generator) -> tuple[list[Points], Floats, float]:
    count = 2200
    angles = rng.uniform(-0.05, np.pi + 0.05, count)
    lowest = 0.35 if subject.haircut == "band" else 0.10
    start, end = rng.normal(lowest, 0.07, count), rng.uniform(0.7, 1.02, count)
    path = []
    for step in np.linspace(0, 1, 7):
        q = start + (end - start) * step
        path.append(_scalp(subject, q * _fullness(angles), angles + (np.pi / 2 - angles) * 0.35 * q))
    return list(np.stack(path, axis=1)), angles / np.pi, 0.14


def _long(subject: Subject, rng: np.random.Generator) -> tuple[list[Points], Floats, float]:
    count = 2200
    part, wide = subject.part, (subject.landmarks[16] - subject.landmarks[0])[0] / 2
    q, side = rng.uniform(-0.03, 1.0, count), np.where(rng.random(count) < 0.5, -1, 1)
    parting = rng.normal(0, 0.03, count)
    end = np.where(side > 0, 0, np.pi)
    curtain = rng.uniform(0, 0.7) * (1 - q) ** 2  # how far it hangs into the face
    path = [
        _scalp(subject, q - curtain * step**2, part + parting + (end - part - parting) * step)
        for step in np.linspace(0, 1, 12)
    ]
    root, length = path[-1], rng.uniform(1.9, 2.7, count) * wide
    wave, stray = rng.uniform(0, 0.10), rng.normal(0, 0.05, count)
    for fall in np.linspace(0.12, 1, 9):
        drift = (
            0.12 * (np.sin(fall * 2.5 + q * 2) - np.sin(q * 2)) + wave * fall * np.sin(fall * 9 + q * 4) + fall * stray
        )
        path.append(root + np.stack([side * wide * drift, fall * length], axis=1))
    return list(np.stack(path, axis=1)), (q * side + 1) / 2, 0.02


# --- The camera -------------------------------------------------------------------------------------------------------


def photograph(
    picture: Floats, landmarks: Points, rng: np.random.Generator, *, exposure: float = 1.0
) -> tuple[Pixels, Points]:
    """Light the scene from somewhere, in some colour, and hold the phone a little crooked: pixels and landmarks."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.30)
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j].astype(np.float32)
    light = 1 + strength * (np.cos(angle) * x + np.sin(angle) * y * 0.6) - 0.07 * (x * x + y * y)
    warmth = rng.normal(0, 0.045)
    lit: Floats = picture * light[..., None] * np.array((1 + warmth, 1, 1 - 1.3 * warmth), np.float32)
    lit *= exposure * rng.uniform(0.96, 1.10)
    roll, zoom = rng.normal(0, 3.0), rng.uniform(1.02, 1.16)
    turn: Points = np.array(cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), roll, zoom), np.float64)
    turn[:, 2] += rng.normal(0, (22, 26))
    held: Floats = cv2.warpAffine(lit, turn, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    held += rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * rng.uniform(1.0, 3.0)
    return _expose(held), landmarks @ turn[:, :2].T + turn[:, 2]


def _expose(light: Floats) -> Pixels:
    """A camera leaves 0 to 205 as they are and saturates slowly above."""
    soft: Floats = np.minimum(light, 205) + 50 * (1 - np.exp(-np.maximum(light - 205, 0) / 50))
    return soft.clip(0, 255).astype(np.uint8)
