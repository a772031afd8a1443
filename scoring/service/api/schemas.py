"""Response schemas of the API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from scoring.photograph.patches import Mode
from scoring.regressor.abstention import Code
from scoring.service.api.problems import Problem

Box = tuple[int, int, int, int]


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
    face: Box | None = Field(description="Around the landmarks of the one face.")
    quality: QualityOut
    recipe: str
    regressor_id: int


class StoredOut(Schema):
    id: UUID
    erase: str = Field(description="DELETE this address to erase it.")


class OneScoreOut(SelfieScoreOut):
    stored: StoredOut | None = Field(description="Where the photograph stays, if it was to.")


class ResultOut(Schema):
    """One of several photographs: `answer` where `status` is 200, or else `problem`."""

    position: int
    name: str
    status: int
    answer: SelfieScoreOut | None
    problem: Problem | None


class ResultsOut(Schema):
    results: list[ResultOut]


class ResultsPageOut(ResultsOut):
    next: int | None = Field(description="Ask with `after` set to this for more.")


class WebhookOut(Schema):
    url: str
    attempts: int
    delivered_at: datetime | None
    next_attempt_at: datetime | None


class JobOut(Schema):
    id: UUID
    state: Literal["queued", "running", "succeeded", "failed"]
    error: str = Field(description="Why it failed; empty otherwise.")
    total: int
    done: int
    requested_at: datetime
    finished_at: datetime | None
    kept_until: datetime | None = Field(description="Then it is erased with its results.")
    webhook: WebhookOut | None
