"""What an app is told of a score, as JSON: docs/schemas/score.schema.json is made from `SelfieScoreOut`."""

from dataclasses import asdict
from typing import Literal, Self

from ninja import Schema
from pydantic import Field

from scoring.photograph.patches import Box, Mode
from scoring.regressor.abstention import Code
from scoring.regressor.pipeline import SelfieScore


class PatchScoreOut(Schema):
    region: str
    box: Box
    score: float | None
    turn: float = Field(0.0, description="Degrees clockwise about the box's centre.")


class DroppedOut(Schema):
    region: str
    box: Box
    reason: str


class QualityOut(Schema):
    """Lightness runs from 0 (black) to 1 (white), on the face if there is one."""

    exposure: float
    contrast: float
    sharpness: float = Field(description="log10 of the variance of the Laplacian of lightness: about -5 to -2.")
    short_side: int = Field(description="In pixels.")
    faces: int
    face_size: float = Field(description="Height of the largest face as a share of the picture's.")


class ReasonOut(Schema):
    code: Code
    detail: str


class SelfieScoreOut(Schema):
    """Boxes are x_min, y_min, x_max, y_max in pixels of the upright picture, end-exclusive.

    Upright is as the file's orientation says, then turned by `turned` degrees. An overlay shows that picture.

    Where the machine abstains, score, grade, interval and the patches' scores are null and the reasons say why.
    """

    score: float | None
    grade: int | None
    interval: tuple[float, float] | None = Field(description="Of 90 % conformal coverage.")
    abstains: bool
    reasons: list[ReasonOut]
    patches: list[PatchScoreOut]
    dropped: list[DroppedOut]
    mode: Mode
    turned: Literal[0, 90, 180, 270] = Field(
        description="Degrees clockwise by which the picture was turned, since its face lay on a side or upside down."
    )
    face: Box | None = Field(description="Around the landmarks of the one face.")
    quality: QualityOut
    recipe: str
    regressor_id: int

    @classmethod
    def of(cls, result: SelfieScore) -> Self:
        """Return what an app is told of a score: no number of the machine's where it abstains."""
        told = asdict(result) | {"abstains": result.abstains, "turned": 90 * result.turn}
        if result.abstains:
            told |= {"score": None, "grade": None, "interval": None}
            told["patches"] = [patch | {"score": None} for patch in told["patches"]]
        return cls(**told)
