"""The environment variables of an installation, typed and checked; `.env.example` explains each of them.

A variable that is empty counts as not set. The description of a field says what to do when its variable is wrong.
"""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent
ENTRA_HOSTS = {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
EXAMPLES = ("demo", "example", "insecure", "django-insecure", "change", "password", "secret")


def _words(text: str | list[str]) -> list[str]:
    if isinstance(text, list):  # a default
        return text
    return [word.strip() for word in text.split(",") if word.strip()]


def _pairs(text: str) -> dict[str, str]:
    if wrong := [word for word in _words(text) if word.count("=") != 1]:
        raise ValueError(f"must be pairs such as group=reader, not {wrong[0]!r}.")
    return dict(word.split("=") for word in _words(text))


def _time_of_day(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"must be a time of day such as 02:30, not {text!r}.") from error


def _connection_parameters(url: str) -> dict[str, str]:
    """Let libpq read postgresql://user:password@host:port/name; ?host=/folder names the folder of a Unix socket."""
    if urlsplit(url).scheme not in {"postgres", "postgresql"}:
        raise ValueError("must begin with postgresql://; PostgreSQL is the only database we support.")
    try:
        return parse_dsn(url)
    except ProgrammingError as error:  # its words repeat parts of the password
        raise ValueError("cannot be read as a PostgreSQL URL: encode %, / and @ in its password.") from error


Folder = Annotated[Path, AfterValidator(Path.resolve)]
Secret = Annotated[str, Field(repr=False)]
Words = Annotated[list[str], NoDecode, BeforeValidator(_words)]


class Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True, validate_default=False, frozen=True, hide_input_in_errors=True
    )

    database_url: Annotated[dict[str, str], NoDecode, BeforeValidator(_connection_parameters)] = Field(
        repr=False,
        description="Give a URL such as postgresql://user:password@host:5432/acne, or start with `make demo`.",
    )
    statement_seconds: NonNegativeInt = 0
    redis_url: Secret = Field(description="Give a URL such as redis://host:6379/0, or start with `make demo`.")

    debug: bool = False
    secret_key: Secret = Field(
        description="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    )
    behind_tls: bool = Field(default_factory=lambda data: not data["debug"])
    allowed_hosts: Words = Field(
        default=[], validate_default=True, description="Name the hosts that people type, such as acne.example."
    )
    csrf_trusted_origins: Words = []

    var_dir: Folder = BASE_DIR / "var"
    media_root: Folder = Field(default_factory=lambda data: data["var_dir"] / "media")
    weights_dir: Folder = Field(default_factory=lambda data: data["var_dir"] / "weights")
    faces_dir: Folder = Field(default_factory=lambda data: data["var_dir"] / "faces")
    static_root: Folder = Field(default_factory=lambda data: data["var_dir"] / "static")
    s3_endpoint: str = ""
    intake_places: Words = []
    media_bucket: str = ""
    hand_over: Annotated[Literal["", "x-accel-redirect", "x-sendfile"], BeforeValidator(str.lower)] = ""

    images_per_second: PositiveFloat = 4.0
    # Not above decoding.STORED, which studies are read with later.
    intake_megabytes: Annotated[int, Field(ge=1, le=1024)] = 200
    intake_megapixels: Annotated[int, Field(ge=1, le=300)] = 210

    local_passwords: bool = False
    require_mfa: bool = True
    trusted_proxies: NonNegativeInt = Field(default_factory=lambda data: int(data["behind_tls"]))
    session_hours: NonNegativeInt = 8
    session_idle_minutes: NonNegativeInt = 60
    security_contact: str = ""
    ledger_anchors: Words = []
    audit_addresses: Literal["shortened", "full", "none"] = "shortened"

    oidc_issuer: str = ""
    oidc_client_id: str = Field(default="", validate_default=True)
    oidc_client_secret: Secret = Field(
        default="",
        validate_default=True,
        description="It is the client's secret that the provider of OIDC_ISSUER gave you.",
    )
    oidc_name: str = "your organisation"
    oidc_origin: Words = []
    oidc_tenant: str = ""
    oidc_scope: str = "openid profile email offline_access"
    oidc_roles_claim: str = "roles"
    oidc_groups: Annotated[dict[str, Literal["admin", "reader", "auditor"]], NoDecode, BeforeValidator(_pairs)] = {}
    oidc_recheck_minutes: NonNegativeInt = 10
    oidc_reauthentication: Literal["login", "select_account"] = "login"

    retrain_at: Annotated[time, BeforeValidator(_time_of_day)] = time(2, 30)
    time_zone: ZoneInfo = ZoneInfo("UTC")
    scorer_url: str = ""
    scorer_waiting: NonNegativeInt = 8
    backbone: Literal["resnet50", "resnet152"] = "resnet50"
    embedding_processes: PositiveInt = 1  # scoring/cores.py reads it, as the core knows no settings

    outbound: bool = False
    outbound_hosts: Words = []
    outbound_networks: Annotated[list[IPvAnyNetwork], NoDecode, BeforeValidator(_words)] = []
    legacy_api: bool = False

    metrics_token: Secret = ""
    sentry_dsn: Secret = ""
    release: str = ""
    log_format: Literal["line", "json"] = "line"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("secret_key", "oidc_client_secret")
    @classmethod
    def _is_hard_to_guess(cls, secret: str, info: ValidationInfo) -> str:
        """Refuse what is short, and what was printed somewhere as an example."""
        if info.field_name == "oidc_client_secret" and not info.data.get("oidc_issuer"):
            return secret
        if not secret:
            raise ValueError("is not set.")
        shortest = 50 if info.field_name == "secret_key" else 16  # characters
        if len(secret) < shortest or len(set(secret)) < 8:
            raise ValueError(f"is too short to be a secret: it has {shortest} characters at least.")
        if not info.data.get("debug") and secret.lower().startswith(EXAMPLES):
            raise ValueError("is the one of an example or the demo.")
        return secret

    @field_validator("allowed_hosts")
    @classmethod
    def _names_the_public_hosts(cls, hosts: list[str], info: ValidationInfo) -> list[str]:
        if not info.data.get("behind_tls", not info.data.get("debug")):
            return hosts or ["localhost", "127.0.0.1"]
        if not hosts:
            raise ValueError("is not set.")
        if "*" in hosts:
            raise ValueError("may not be *: a stranger's request would say where our links go.")
        return hosts

    @field_validator("hand_over")
    @classmethod
    def _can_be_done(cls, header: str, info: ValidationInfo) -> str:
        if header == "x-sendfile" and info.data.get("media_bucket"):
            raise ValueError("cannot be x-sendfile with MEDIA_BUCKET: only x-accel-redirect reaches object storage.")
        return header

    @field_validator("require_mfa")
    @classmethod
    def _more_than_a_password(cls, required: bool, info: ValidationInfo) -> bool:  # noqa: FBT001  pydantic calls it
        if info.data.get("behind_tls") and info.data.get("local_passwords") and not required:
            raise ValueError("must be 1: a password alone is for a machine of your own, which has BEHIND_TLS=0.")
        return required

    @field_validator("oidc_issuer")
    @classmethod
    def _lets_in_our_people_only(cls, issuer: str) -> str:
        """Refuse an issuer that knows people of other organisations, or that speaks without TLS."""
        parts = urlsplit(issuer)
        if issuer and parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost"}:
            raise ValueError(f"must begin with https://, not {issuer!r}.")
        if parts.hostname in ENTRA_HOSTS and not re.fullmatch(r"/[0-9a-f-]{36}/v2\.0", parts.path):
            raise ValueError(
                "must name your own tenant, https://login.microsoftonline.com/<tenant id>/v2.0: "
                "common, organizations and consumers would let in anybody who has an account anywhere."
            )
        return issuer

    @field_validator("oidc_client_id")
    @classmethod
    def _belongs_to_the_issuer(cls, client: str, info: ValidationInfo) -> str:
        if info.data.get("oidc_issuer") and not client:
            raise ValueError("is not set. OIDC_ISSUER is set, so the client's id is needed too.")
        return client


def read() -> Environment:
    """Return the environment of this process.

    Raises ImproperlyConfigured with one sentence for every variable that is missing or malformed.
    """
    try:
        return Environment.model_validate({})
    except ValidationError as invalid:
        sentences = []
        for error in invalid.errors():
            field = str(error["loc"][0])
            if error["type"] == "default_factory_not_called":
                continue  # only because another variable is wrong
            if error["type"] == "value_error":
                wrong = f"{error['ctx']['error']}"
            elif error["type"] == "missing":
                wrong = "is not set."
            else:
                wrong = f"cannot be {error['input']!r}: {error['msg']}."
            sentences.append(f"{field.upper()} {wrong} {Environment.model_fields[field].description or ''}".strip())
        raise ImproperlyConfigured("\n".join(sentences)) from None
