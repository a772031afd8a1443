"""Endpoints that score photographs while the caller waits. Selfies stay in memory unless consent says otherwise."""

import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from ninja import Router

from scoring.models import ApiToken, Scope, StoredSelfie
from scoring.photograph import formats
from scoring.photograph.decoding import MAX_SELFIE_BYTES, Selfie
from scoring.regressor import overlays, pipeline, regressors
from scoring.regressor.pipeline import FittedRegressor
from scoring.service import outcomes, stored_selfies
from scoring.service.api import authorisation, bodies
from scoring.service.api.authorisation import AuthedRequest, BearerToken
from scoring.service.api.bodies import Kind
from scoring.service.api.problems import ASKED, NOT_FOUND, ProblemError
from scoring.service.api.schemas import OneScoreOut, ResultsOut
from scoring.service.outcomes import Outcome, Photograph

MOST_PHOTOGRAPHS = 32
MOST_BYTES_AT_ONCE = 100 * 2**20  # held in memory: 32 photographs of 3 MB
SECONDS_AT_ONCE = 60  # then what is left of a batch is told to come as a job

ONE = Kind("file", bodies.StoreForm, bodies.OneUrl, most_files=1, most_bytes=MAX_SELFIE_BYTES)
SEEN = Kind("file", bodies.NothingElse, bodies.SeenUrl, most_files=1, most_bytes=MAX_SELFIE_BYTES)
SOME = Kind("files", bodies.NothingElse, bodies.Urls, most_files=MOST_PHOTOGRAPHS, most_bytes=MOST_BYTES_AT_ONCE)

router = Router(tags=["Scores"])


@router.post(
    "/score",
    auth=BearerToken(Scope.SCORE),
    response=OneScoreOut,
    summary="Score one photograph",
    description=f"A {formats.ANY_OF_THEM} of one face, {MAX_SELFIE_BYTES // 2**20} MB at most. Nothing of it stays "
    "unless it was to be stored.",
    openapi_extra=ONE.documented(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
    | {"parameters": [authorisation.KEY_PARAMETER]},
)
def score(request: AuthedRequest, response: HttpResponse) -> Any:
    sent = bodies.read(request, ONE)
    if sent.said.store:
        request.auth.require(Scope.STORE)
    with authorisation.once(request, response, sent.digest) as attempt:
        if attempt.answer is None:
            data, regressor = sent.photographs[0].read(), regressors.active(request.auth.token.study)
            answer = outcomes.answer(Selfie.of(data), regressor).model_dump(mode="json")
            stored = _store(request.auth.token, data, sent.said.consent, answer) if sent.said.store else None
            attempt.answer = answer | {"stored": stored}
    return attempt.answer


@router.post(
    "/batch",
    auth=BearerToken(Scope.BATCH),
    response=ResultsOut,
    summary="Score up to 32 photographs",
    openapi_extra=SOME.documented(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)
    | {"parameters": [authorisation.KEY_PARAMETER]},
)
def score_batch(request: AuthedRequest, response: HttpResponse) -> Any:
    """Each result has the status that its photograph would have had alone. 100 MB at most, and about a minute."""
    sent = bodies.read(request, SOME)
    request.auth.spend(len(sent.photographs) - 1)
    with authorisation.once(request, response, sent.digest) as attempt:
        if attempt.answer is None:
            regressor = regressors.active(request.auth.token.study)
            attempt.answer = {"results": list(_score_all(sent.photographs, regressor))}
    return attempt.answer


@router.post(
    "/overlay",
    auth=BearerToken(Scope.OVERLAY),
    summary="See which region drives the score",
    openapi_extra=SEEN.documented(HTTPStatus.SERVICE_UNAVAILABLE),
)
def draw_overlay(request: AuthedRequest) -> HttpResponse:
    """A PNG of the upright photograph, its regions coloured by their scores. Where the machine abstains, by none."""
    (photograph,) = bodies.read(request, SEEN).photographs
    selfie, regressor = photograph.selfie(), regressors.active(request.auth.token.study)
    result = pipeline.score_image(selfie, regressor)
    picture = overlays.draw(selfie.pixels, result, scale=regressor.scale)
    return HttpResponse(picture, content_type="image/png")


def _store(token: ApiToken, data: bytes, consent: str, answer: dict[str, Any]) -> dict[str, str]:
    stored = stored_selfies.store(token=token, data=data, consent=consent, answer=answer)
    return {"id": str(stored.public_id), "erase": reverse("api:erase_selfie", args=[stored.public_id])}


def _score_all(photographs: Sequence[Photograph], regressor: FittedRegressor) -> Iterator[dict[str, Any]]:
    """Score one after the other, so that one photograph's pixels are in memory at a time."""
    begun = time.monotonic()
    for position, photograph in enumerate(photographs):
        yield outcomes.told(position, photograph.name, _outcome(photograph, regressor, time.monotonic() - begun))


def _outcome(photograph: Photograph, regressor: FittedRegressor, seconds: float) -> Outcome:
    if seconds > SECONDS_AT_ONCE:
        return Outcome(HTTPStatus.GATEWAY_TIMEOUT, None, "There was no time left for this one. Send a job instead.")
    return outcomes.of(photograph, regressor)


selfies = Router(tags=["Stored selfies"])


@selfies.delete(
    "/selfies/{uuid:public_id}",
    auth=BearerToken(Scope.STORE),
    response={204: None},
    url_name="erase_selfie",
    summary="Erase a stored selfie",
    openapi_extra={"responses": ASKED},
)
def erase_selfie(request: AuthedRequest, public_id: UUID) -> None:
    """The photograph, its person's consent and its score are gone when this is answered."""
    if not stored_selfies.erase(StoredSelfie.objects.filter(token=request.auth.token, public_id=public_id)):
        raise ProblemError(HTTPStatus.NOT_FOUND, NOT_FOUND)
