"""The one settings file: everything that differs between installations is an environment variable.

`.env.example` lists them all. A missing or malformed one stops the start with a sentence.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
SHORTEST_SECRET, FEWEST_CHARACTERS = 50, 5  # as `manage.py check --deploy` has them


def required(name: str, how: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {how}")
    return value


def flag(name: str, *, default: bool = False) -> bool:
    value = os.environ.get(name, "1" if default else "0").lower()
    if value not in {"0", "1", "true", "false", "yes", "no"}:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return value in {"1", "true", "yes"}


def folder(name: str, default: Path) -> Path:
    return Path(os.environ.get(name) or default).resolve()


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def number(name: str, default: int) -> int:
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or not int(value):
        raise ImproperlyConfigured(f"{name} must be a whole number from 1, not {value!r}.")
    return int(value)


def secret(name: str) -> str:
    value = required(name, "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'")
    if len(value) < SHORTEST_SECRET or len(set(value)) < FEWEST_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} must have {SHORTEST_SECRET} random characters at least: who guesses it signs in as anybody. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    return value


def hosts(name: str, *, are_public: bool) -> list[str]:
    named = words(name, "" if are_public else "localhost,127.0.0.1")
    if not named:
        raise ImproperlyConfigured(f"{name} is not set. Name the hosts that people type, such as acne.example.")
    if are_public and "*" in named:
        raise ImproperlyConfigured(f"{name} may not be *: a stranger's request would say where our links go.")
    return named


def clock(name: str, default: str) -> tuple[int, int]:
    value = os.environ.get(name, default)
    try:
        hour, minute = (int(part) for part in value.split(":"))
    except ValueError:
        hour, minute = -1, -1
    if not (0 <= hour < 24 and 0 <= minute < 60):
        raise ImproperlyConfigured(f"{name} must be a time of day such as 02:30, not {value!r}.")
    return hour, minute


def postgresql(name: str) -> dict[str, Any]:
    """Read postgresql://user:password@host:port/name; an empty host with ?host=/folder is a Unix socket."""
    url = required(name, "Give a URL such as postgresql://user:password@host:5432/acne, or start with `make demo`.")
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"{name} must begin with postgresql://; PostgreSQL is the only database we support.")
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(options.get("host", parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 3600,  # seconds; opening a connection holds up a request for 40 ms
        "CONN_HEALTH_CHECKS": True,
        # A statement that hangs must not hold a worker: fail, and let the caller send again.
        "OPTIONS": {
            "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
            **({"sslmode": options["sslmode"]} if "sslmode" in options else {}),
        },
    }


DEBUG = flag("DEBUG")
BEHIND_TLS = flag("BEHIND_TLS", default=not DEBUG)
SECRET_KEY = secret("SECRET_KEY")
ALLOWED_HOSTS = hosts("ALLOWED_HOSTS", are_public=BEHIND_TLS)
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")

VAR_DIR = folder("VAR_DIR", BASE_DIR / "var")
MEDIA_ROOT = folder("MEDIA_ROOT", VAR_DIR / "media")
WEIGHTS_DIR = folder("WEIGHTS_DIR", VAR_DIR / "weights")
FACES_DIR = folder("FACES_DIR", VAR_DIR / "faces")  # photographs in the public domain, for made selfies

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "labeler",
    "scoring",
    "training",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "labeler.views.scorer.ToScorer",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "labeler.views.unblinding.AskForReason",
]
ROOT_URLCONF = "labeler.urls"
WSGI_APPLICATION = "labeler.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": postgresql("DATABASE_URL")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = required("REDIS_URL", "Give a URL such as redis://host:6379/0, or start with `make demo`.")
CACHES = {
    # allauth's rate limits live here: every web process shares them, and a broker that is down keeps nobody out.
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"},
}
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # A face is readable by the service's own account and nobody else.
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "labeler.staticfiles.StaticFilesStorage"},
}
STATIC_URL = "static/"
STATIC_ROOT = folder("STATIC_ROOT", VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]

AUTH_USER_MODEL = "labeler.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "labeler.accounts.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "labeler.accounts.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
# E-mail addresses from an identity provider are not proof of anything: never link by them.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_PROVIDERS = {}
if os.environ.get("OIDC_ISSUER"):
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": os.environ.get("OIDC_NAME", "your organisation"),
                "client_id": required("OIDC_CLIENT_ID", "OIDC_ISSUER is set, so the client's id is needed too."),
                "secret": required("OIDC_CLIENT_SECRET", "OIDC_ISSUER is set, so the client's secret is needed too."),
                "settings": {
                    "server_url": os.environ["OIDC_ISSUER"],
                    "uid_field": "sub",
                    "fetch_userinfo": False,
                },
            }
        ],
    }

SESSION_COOKIE_AGE = 8 * 3600  # seconds: one working day, then sign in again
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SESSION_COOKIE_NAME = "__Host-session" if BEHIND_TLS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if BEHIND_TLS else "csrf"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # A redirect that follows a form is held against this too: the sign-in button needs the provider's origin.
        "form-action": [SELF, *words("OIDC_ORIGIN")],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    },
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 * 2**20  # bytes of a form without its files
DATA_UPLOAD_MAX_NUMBER_FILES = 32
FILE_UPLOAD_PERMISSIONS = 0o600

RETRAIN_HOUR, RETRAIN_MINUTE = clock("RETRAIN_AT", "02:30")
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A web request that finds the broker down must answer, not hang: PostgreSQL holds the job, the sweep sends it later.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 6 * 3600,
    "socket_connect_timeout": 3,
    "socket_timeout": 30,
    "max_retries": 1,
}
CELERY_TASK_PUBLISH_RETRY = False
# Workers of their own, so that a retraining does not hold up an import for an hour, nor the other way round.
CELERY_TASK_ROUTES = {"labeler.tasks.import_files": {"queue": "intake"}}
CELERY_BEAT_SCHEDULE = {
    "retrain-nightly": {
        "task": "training.tasks.retrain_nightly",
        "schedule": crontab(hour=str(RETRAIN_HOUR), minute=str(RETRAIN_MINUTE)),
    },
    "resume-runs": {"task": "training.tasks.resume_runs", "schedule": 60.0},
    "resume-imports": {"task": "labeler.tasks.resume_imports", "schedule": 60.0, "options": {"expires": 60}},
    "count-labels": {"task": "labeler.tasks.count_labels", "schedule": 30.0, "options": {"expires": 30}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")

# Where the site finds the scorer, unless a proxy sends /api/ there by itself.
SCORER_URL = os.environ.get("SCORER_URL", "")
# Photographs that a scorer has at work and requests that wait beside them; the next is told to come again.
SCORER_AT_WORK = number("SCORER_AT_WORK", os.cpu_count() or 1)
SCORER_WAITING = number("SCORER_WAITING", 8)

BACKBONE = os.environ.get("BACKBONE", "resnet50")
if BACKBONE not in {"resnet50", "resnet152"}:
    raise ImproperlyConfigured(f"BACKBONE must be resnet50 or resnet152, not {BACKBONE!r}.")

LANGUAGE_CODE = "en"
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s", "datefmt": "%H:%M:%S"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
}
