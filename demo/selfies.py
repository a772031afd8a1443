"""A folder of made selfies with known severity.

The grades are as frequent as in the published study, and so are the photographs that are hard to use.
"""

import csv
import io
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from demo import lesions, other_lesions, portraits, public_domain_faces
from scoring.photograph.decoding import Pixels
from scoring.weights.atomic_files import write_atomically

PUBLISHED = (244, 1_156, 1_822, 614, 160)  # selfies of each grade from Clear to Severe
BOUNDS = (0.6, 1.5, 2.5, 3.5, 4.5, 5.4)  # severity between the grades
SHARES = {"one_eye": 0.05, "near_duplicate": 0.04, "badly_exposed": 0.04}  # the others are regular
NOTE = "SIMULATED"  # in every row: these are not patients
TABLE = "severities.csv"
COLUMNS = ("file", "severity", "kind", "subject", "note")
PROCESSES = 2
PAINTERS: dict[str, portraits.Painter] = {"usual": lesions.paint, "other": other_lesions.paint}


@dataclass(frozen=True)
class MadeSelfie:
    """A selfie: its file's name, its severity from 0.6 to 5.4, what is special about it, and who it shows."""

    file: str
    severity: float
    kind: str
    subject: str


@dataclass(frozen=True)
class Order:
    """What one process needs to make one selfie: `who` decides the head and the acne, `how` the photograph."""

    path: Path
    selfie: MadeSelfie
    who: np.random.SeedSequence
    how: np.random.SeedSequence
    painter: str


def make_selfies(
    *,
    folder: Path,
    count: int,
    seed: int,
    painter: str = "usual",
    on_selfie: Callable[[int, int], None] | None = None,
) -> list[MadeSelfie]:
    """Write `count` JPEGs and severities.csv into `folder`; where they are already, do nothing.

    `painter` names how acne is painted: "usual", or "other", for trying what was developed on the usual one.
    `on_selfie` hears how many are done, of how many. Raises faces.FaceSourceError and weights.WeightsError.
    """
    orders = plan(folder, count, seed, painter=painter)
    planned = [order.selfie for order in orders]
    if _is_complete(folder, planned):
        return planned
    public_domain_faces.fetch()
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")  # a forked child would share our database connection
    with context.Pool(PROCESSES, initializer=_start_worker) as pool:
        for done, _ in enumerate(pool.imap_unordered(_make_one, orders), start=1):
            if on_selfie:
                on_selfie(done, count)
    _write_table(folder, planned)
    return planned


def read_severities(folder: Path) -> list[MadeSelfie]:
    """Return what severities.csv says. Raises FileNotFoundError."""
    with (folder / TABLE).open(encoding="utf-8", newline="") as file:
        return [
            MadeSelfie(row["file"], float(row["severity"]), row["kind"], row["subject"]) for row in csv.DictReader(file)
        ]


def _write_table(folder: Path, selfies: list[MadeSelfie]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for selfie in selfies:
        table.writerow([selfie.file, selfie.severity, selfie.kind, selfie.subject, NOTE])
    write_atomically(folder / TABLE, text.getvalue().encode())


def _is_complete(folder: Path, planned: list[MadeSelfie]) -> bool:
    """Whether all files of the table are there. It is written last, but files may have been deleted since."""
    return (
        (folder / TABLE).is_file()
        and read_severities(folder) == planned
        and all((folder / selfie.file).is_file() for selfie in planned)
    )


def plan(folder: Path, count: int, seed: int, *, painter: str = "usual") -> list[Order]:
    planning, *children = np.random.SeedSequence(seed).spawn(count + 1)
    rng = np.random.default_rng(planning)
    severities, kinds = _severities(count, rng), _kinds(count, rng)
    orders: list[Order] = []
    for index, (severity, kind, child) in enumerate(zip(severities, kinds, children, strict=True)):
        name = f"IMG_{index + 1:04d}.jpg"
        who, how = child.spawn(2)
        selfie = MadeSelfie(name, severity, kind, f"S{index + 1:04d}")
        if kind == "near_duplicate":
            earlier = orders[rng.choice([i for i in range(index) if kinds[i] == "regular"])]
            selfie = MadeSelfie(name, earlier.selfie.severity, kind, earlier.selfie.subject)
            who = earlier.who
        orders.append(Order(folder / name, selfie, who, how, painter))
    return orders


def _severities(count: int, rng: np.random.Generator) -> list[float]:
    """Spread `count` over the grades in the published proportions, and evenly within each grade, in random order."""
    quantiles = (np.arange(count) + 0.5) / count
    reached = np.concatenate([[0], np.cumsum(PUBLISHED)]) / sum(PUBLISHED)
    return [round(float(severity), 3) for severity in rng.permutation(np.interp(quantiles, reached, BOUNDS))]


def _kinds(count: int, rng: np.random.Generator) -> list[str]:
    special = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
    kinds = [str(kind) for kind in rng.permutation(special + ["regular"] * (count - len(special)))]
    first = kinds.index("regular")
    kinds[0], kinds[first] = kinds[first], kinds[0]  # a duplicate needs a selfie before it
    return kinds


def _start_worker() -> None:
    cv2.setNumThreads(1)  # one core each; more threads than cores only wait for each other


def _make_one(order: Order) -> None:
    rng = np.random.default_rng(order.how)
    picture, landmarks = portraits.portrait(
        order.selfie.severity, np.random.default_rng(order.who), paint=PAINTERS[order.painter]
    )
    exposure = 1.0
    if order.selfie.kind == "badly_exposed":
        exposure = rng.uniform(0.25, 0.42) if rng.random() < 0.5 else rng.uniform(1.6, 2.1)
    pixels, landmarks = portraits.photograph(picture, landmarks, rng, exposure=exposure)
    if order.selfie.kind == "one_eye":
        pixels = _half(pixels, landmarks, rng)
    write_atomically(order.path, _encode(pixels, rng))


def _half(pixels: Pixels, landmarks: public_domain_faces.Points, rng: np.random.Generator) -> Pixels:
    """Cut along the nose and keep one half of the face."""
    middle = int(landmarks[27:31, 0].mean())
    return pixels[:, :middle] if rng.random() < 0.5 else pixels[:, middle:]


def _encode(pixels: Pixels, rng: np.random.Generator) -> bytes:
    scale = rng.choice([0.85, 1.0, 1.0, 1.07])  # phones differ
    picture = Image.fromarray(pixels)
    size = (round(picture.width * scale), round(picture.height * scale))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=int(rng.integers(85, 93)))
    return file.getvalue()
