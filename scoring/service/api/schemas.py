"""Response schemas of the API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from scoring.service.api.problems import Problem
from scoring.service.score_json import SelfieScoreOut


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
