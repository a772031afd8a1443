"""Regressors and photographs for these tests, small but real."""

import json
from typing import Any

import numpy as np
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from sklearn.neural_network import MLPRegressor

from scoring.models import Regressor, Scope
from scoring.photograph.decoding import Selfie
from scoring.regressor import recipes, regressors
from scoring.regressor.heads import Network
from scoring.regressor.pipeline import FittedRegressor
from scoring.regressor.score_scale import Scale
from scoring.service import tokens
from tests.builders import make_jpeg


def make_fitted(seed: int = 1) -> FittedRegressor:
    """Fit a small network on embeddings that mean nothing; it stops as soon as it may."""
    rng = np.random.default_rng(seed)
    rows, grades = rng.normal(size=(40, 2048)).astype(np.float32), rng.uniform(1, 5, 40).astype(np.float32)
    estimator = MLPRegressor(hidden_layer_sizes=(8,), random_state=seed, tol=1e6, n_iter_no_change=2)
    estimator.fit(rows, grades)
    layers = tuple(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    return FittedRegressor(recipes.ms2019(), Network(layers), Scale.of_steps(5))


def make_selfie(seed: int = 1) -> Selfie:
    return Selfie.of(make_jpeg(seed))


def publish_one(study: str = "acne", seed: int = 1) -> Regressor:
    row = regressors.save(make_fitted(seed), study=study, provenance={"seed": seed})
    regressors.publish(row)
    return row


class App:
    """A program that calls the API with a token of its own."""

    def __init__(self, *scopes: Scope, name: str = "an app", study: str = "acne", per_minute: int = 1000) -> None:
        scopes = scopes or tuple(Scope)
        self.token, self.key = tokens.make(name=name, study=study, made_by=None, scopes=scopes, per_minute=per_minute)

    def send(self, method: str, address: str, **options: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        response = Client().generic(method, address, headers=headers, **options)
        assert isinstance(response, HttpResponse)
        if response.status_code >= 400:
            assert response["Content-Type"] == "application/problem+json"
        return response

    def get(self, address: str, **headers: str) -> HttpResponse:
        return self.send("GET", address, headers=headers)

    def post(self, address: str, form: dict[str, Any], **headers: str) -> HttpResponse:
        """Send a multipart form."""
        body = encode_multipart(BOUNDARY, form)
        return self.send("POST", address, data=body, content_type=MULTIPART_CONTENT, headers=headers)

    def post_json(self, address: str, content: Any, **headers: str) -> HttpResponse:
        return self.send("POST", address, data=json.dumps(content), content_type="application/json", headers=headers)


def upload(data: bytes, name: str = "selfie.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "image/jpeg")
