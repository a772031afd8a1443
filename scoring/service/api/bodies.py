"""Request bodies: photographs as form files, or their addresses as JSON."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Self

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, MemoryFileUploadHandler
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from scoring.photograph.decoding import MAX_SELFIE_BYTES
from scoring.service import fetching
from scoring.service.api.problems import ProblemError, documented
from scoring.service.outcomes import Photograph

WRAPPING = 64 * 2**10  # bytes: a multipart body wraps files in boundaries and headers
TOO_LARGE = f"The file is larger than {MAX_SELFIE_BYTES // 2**20} MB."
MULTIPART, JSON = "multipart/form-data", "application/json"
BINARY = {"type": "string", "format": "binary"}

Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]  # PostgreSQL stores no NUL
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[!-~]+$")]
UrlOrNone = Annotated[str, StringConstraints(max_length=2000, pattern=r"^(https?://[!-~]+)?$")]


class Body(BaseModel):
    """What may stand in a body beside photographs, and nothing else."""

    model_config = ConfigDict(extra="forbid")

    def addresses(self) -> list[str]:
        """Return where the photographs are that are named and not sent."""
        return []


class InMemoryUpload(MemoryFileUploadHandler):
    """Keeps the selfie off the disk: Django spools what is over 2.5 MB to a temporary file."""

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self.activated = True  # its size is bounded before it is read


@dataclass(frozen=True)
class Kind:
    """A kind of body: the form's field of files, what stands beside it, and the same with addresses instead."""

    field: str
    form: type[Body]
    by_url: type[Body]
    most_files: int
    most_bytes: int
    handler: type[FileUploadHandler] = InMemoryUpload

    def documented(self, *statuses: HTTPStatus) -> dict[str, Any]:
        """The OpenAPI of an operation that takes it."""
        files = BINARY if self.most_files == 1 else {"type": "array", "items": BINARY, "minItems": 1}
        form = self.form.model_json_schema()
        form["properties"] = {self.field: files} | form.get("properties", {})
        form["required"] = [self.field, *form.get("required", [])]
        content = {MULTIPART: {"schema": form}, JSON: {"schema": self.by_url.model_json_schema()}}
        usual = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        refused = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        tried = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS)
        return {
            "requestBody": {"required": True, "content": content},
            "responses": documented(*usual, *refused, *tried, *statuses),
        }


@dataclass(frozen=True)
class Sent:
    """A body that was read: `said` is what stood beside the photographs."""

    photographs: tuple[Photograph, ...]
    said: Any
    digest: str  # of all of it, however it was wrapped


def read(request: HttpRequest, kind: Kind) -> Sent:
    """Look at the size before anything else. Raises ProblemError, FetchError and what Django's parser raises."""
    if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META:
        raise ProblemError(HTTPStatus.LENGTH_REQUIRED, "Send the body's length (Content-Length), not chunks.")
    if int(request.META.get("CONTENT_LENGTH") or 0) > kind.most_bytes + WRAPPING:
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(kind))
    if request.content_type == JSON:
        return _read_urls(request, kind)
    if request.content_type == MULTIPART:
        return _read_files(request, kind)
    raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Send {MULTIPART} or {JSON}.")


def _too_large(kind: Kind) -> str:
    return TOO_LARGE if kind.most_files == 1 else f"These are more than {kind.most_bytes // 2**20} MB. Send fewer."


def _read_urls(request: HttpRequest, kind: Kind) -> Sent:
    said = _validated(partial(kind.by_url.model_validate_json, request.body, strict=True))
    rules = fetching.rules()
    for url in said.addresses():
        fetching.check(url, rules)
    found = tuple(Photograph(url, url, partial(fetching.fetch, url, rules)) for url in said.addresses())
    return Sent(found, said, _digest(request, said, ()))


def _read_files(request: HttpRequest, kind: Kind) -> Sent:
    request.upload_handlers = [kind.handler(request)]
    files = request.FILES.getlist(kind.field)
    if set(request.FILES) - {kind.field} or not 0 < len(files) <= kind.most_files:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, _wanted(kind))
    if any((file.size or 0) > MAX_SELFIE_BYTES for file in files):
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
    said = _validated(partial(kind.form.model_validate, request.POST.dict()))
    found = tuple(Photograph(file.name or "", "", partial(_whole, file)) for file in files)
    return Sent(found, said, _digest(request, said, files))


def _wanted(kind: Kind) -> str:
    if kind.most_files == 1:
        return f"Send the photograph as the one file of the multipart form, its field `{kind.field}`."
    return f"Send 1 to {kind.most_files} photographs as the multipart form's files, each in a field `{kind.field}`."


def _validated(validate: Callable[[], Body]) -> Body:
    try:
        return validate()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "The body"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {first['msg']}.") from error


def _whole(file: "UploadedFile[bytes]") -> bytes:
    file.seek(0)
    data: bytes = file.read()
    return data


def _digest(request: HttpRequest, said: Body, files: "Sequence[UploadedFile[bytes]]") -> str:
    """A keyed hash of what is meant: a form's boundary differs each time it is sent."""
    parts = [request.method, request.path, said.model_dump_json()]
    parts += [f"{file.name} {hashlib.sha256(_whole(file)).hexdigest()}" for file in files]
    return salted_hmac("scoring.service.idempotency", json.dumps(parts), algorithm="sha256").hexdigest()


class StoreForm(Body):
    """One photograph, which may stay."""

    store: bool = Field(default=False, description="Whether the photograph stays here. It needs the scope `store`.")
    consent: Text = Field("", description="What its person agreed to, in the words they read. Needed to store it.")

    @model_validator(mode="after")
    def needs_consent(self) -> Self:
        if self.store and not self.consent.strip():
            raise ValueError("storing a photograph needs its person's consent, the words they read")
        return self


class NothingElse(Body):
    """Photographs and nothing else."""


class SeenUrl(Body):
    url: Url = Field(description="Of a public photograph. Only where the installation fetches addresses.")

    def addresses(self) -> list[str]:
        return [self.url]


class OneUrl(SeenUrl, StoreForm):
    """A photograph's address, and whether the photograph is stored."""


class Urls(Body):
    urls: list[Url] = Field(min_length=1, max_length=32, description="Of public photographs.")

    def addresses(self) -> list[str]:
        return self.urls


class JobForm(Body):
    """Who is told."""

    webhook: UrlOrNone = Field("", description="Is told when the job has ended, as Standard Webhooks are.")


class ManyUrls(JobForm):
    urls: list[Url] = Field(min_length=1, max_length=1000, description="Of public photographs.")

    def addresses(self) -> list[str]:
        return self.urls
