"""The one settings file: everything that differs between installations is an environment variable.

`.env.example` lists them all. A missing or malformed one stops the start with a sentence.
"""

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from scoring import error_reports

ENTRA_HOSTS = {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"}
BASE_DIR = Path(__file__).resolve().parent.parent


def required(name: str, how: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {how}")
    return value


def secret(name: str, how: str, *, shortest: int) -> str:
    """Read a secret that nobody can guess: long enough, and none that was printed somewhere as an example."""
    value = required(name, how)
    if len(value) < shortest or len(set(value)) < 8:
        raise ImproperlyConfigured(f"{name} is too short to be a secret: it has {shortest} characters at least. {how}")
    if not DEBUG and value.lower().startswith(EXAMPLES):
        raise ImproperlyConfigured(f"{name} is the one of an example or the demo. {how}")
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


def hosts(name: str, *, are_public: bool) -> list[str]:
    named = words(name, "" if are_public else "localhost,127.0.0.1")
    if not named:
        raise ImproperlyConfigured(f"{name} is not set. Name the hosts that people type, such as acne.example.")
    if are_public and "*" in named:
        raise ImproperlyConfigured(f"{name} may not be *: a stranger's request would say where our links go.")
    return named


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must list networks such as 10.1.2.0/24: {error}.") from error


def pairs(name: str) -> dict[str, str]:
    """Read a=b,c=d."""
    if wrong := [word for word in words(name) if word.count("=") != 1]:
        raise ImproperlyConfigured(f"{name} must be pairs such as group=reader, not {wrong[0]!r}.")
    return dict(word.split("=") for word in words(name))


def number(name: str, *, default: int) -> int:
    value = os.environ.get(name) or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def origins(address: str) -> list[str]:
    parts = urlsplit(address)
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []


def check_issuer(issuer: str) -> None:
    """Refuse an issuer that would let in people of other organisations, or speak in the open."""
    parts = urlsplit(issuer)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost"}:
        raise ImproperlyConfigured(f"OIDC_ISSUER must begin with https://, not {issuer!r}.")
    if parts.hostname in ENTRA_HOSTS and not re.fullmatch(r"/[0-9a-f-]{36}/v2\.0", parts.path):
        raise ImproperlyConfigured(
            "OIDC_ISSUER must name your own tenant, https://login.microsoftonline.com/<tenant id>/v2.0: "
            "common, organizations and consumers would let in anybody who has an account anywhere."
        )


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
        "ENGINE": "labeler.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(options.get("host", parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 3600,  # seconds; opening a connection holds up a request for 40 ms
        "CONN_HEALTH_CHECKS": True,
        # A statement that hangs must not hold a worker: fail, and let the caller send again.
        "OPTIONS": {
            "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s "
            f"-c statement_timeout={number('STATEMENT_SECONDS', default=0)}s",
            # A server that is cut off without a word is known to be gone within a minute, not a quarter of an hour.
            "connect_timeout": 5,
            "tcp_user_timeout": 30_000,  # seconds, milliseconds
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **({"sslmode": options["sslmode"]} if "sslmode" in options else {}),
        },
    }


DEBUG = flag("DEBUG")
EXAMPLES = ("demo", "example", "insecure", "django-insecure", "change", "password", "secret")
SECRET_KEY = secret(
    "SECRET_KEY", "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'", shortest=50
)
BEHIND_TLS = flag("BEHIND_TLS", default=not DEBUG)
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
    "allauth.mfa",
    "allauth.socialaccount",
    "django.contrib.humanize",  # allauth's list of passkeys says how long ago
    "csp",
    "labeler",
    "labeler.oidc",
    "scoring",
    "training",
]
MIDDLEWARE = [
    "labeler.views.headers.IsolatePages",
    "scoring.api.middleware.RequestIds",
    "scoring.api.middleware.ApiAnswers",
    "django.middleware.security.SecurityMiddleware",
    "labeler.views.scorer.ToScorer",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "labeler.views.headers.LetAdminBe",
    "labeler.views.signing_in.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "labeler.views.headers.RememberOrigin",
    "labeler.views.bodies.LimitBodies",
    "labeler.views.signing_in.WatchSession",
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
    "default": {
        "BACKEND": "labeler.cache.Cache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so that nobody empties it, and with it the limits, by filling it
    },
}
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # A face is readable by the service's own account and nobody else.
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "labeler.staticfiles.StaticFilesStorage"},
}
# Object storage that speaks S3: for all files instead of MEDIA_ROOT, and as places to fill studies from.
S3_ENDPOINT = os.environ.get("S3_ENDPOINT", "")
INTAKE_PLACES = words("INTAKE_PLACES")
MEDIA_BUCKET = os.environ.get("MEDIA_BUCKET", "")
if MEDIA_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": MEDIA_BUCKET,
            "endpoint_url": S3_ENDPOINT or None,
            "file_overwrite": True,  # what is stored under a name replaces what was there, as in a folder
        },
    }
# Whether a web server in front sends the bytes of photographs that we let somebody see.
HAND_OVER = os.environ.get("HAND_OVER", "").lower()
if HAND_OVER not in {"", "x-accel-redirect", *([] if MEDIA_BUCKET else ["x-sendfile"])}:
    raise ImproperlyConfigured(
        f"HAND_OVER must be x-accel-redirect, x-sendfile (without MEDIA_BUCKET) or empty, not {HAND_OVER!r}."
    )
STATIC_URL = "static/"
STATIC_ROOT = folder("STATIC_ROOT", VAR_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]

AUTH_USER_MODEL = "labeler.User"
AUTHENTICATION_BACKENDS = ["labeler.accounts.Passwords"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# An installation on a machine of its own sets both for its demo (labeler.embedded); elsewhere passwords are asked for.
LOCAL_PASSWORDS = flag("LOCAL_PASSWORDS")
REQUIRE_MFA = flag("REQUIRE_MFA", default=True)
if BEHIND_TLS and LOCAL_PASSWORDS and not REQUIRE_MFA:
    raise ImproperlyConfigured(
        "A password alone is for a machine of your own: set REQUIRE_MFA=1, or BEHIND_TLS=0 there."
    )
PASSWORD_RESET_TIMEOUT = 600  # seconds a link of `manage.py break_glass` is good for; no password is ever reset by mail
ACCOUNT_ADAPTER = "labeler.accounts.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "labeler.accounts.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Of addresses that X-Forwarded-For lists, the proxies in front of us wrote this many: rate limits go by the one before.
ALLAUTH_TRUSTED_PROXY_COUNT = number("TRUSTED_PROXIES", default=1 if BEHIND_TLS else 0)
MFA_ADAPTER = "labeler.second_factors.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Acne study"
MFA_TOTP_TOLERANCE = 1  # steps of 30 seconds; telephones' clocks are off by some
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True  # a passkey that asked for a finger or a PIN is two factors, and can't be phished
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_QUERY_EMAIL = False
# E-mail addresses from an identity provider are not proof of anything: never link by them.
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False

OIDC_ISSUER = os.environ.get("OIDC_ISSUER", "")
OIDC_NAME = os.environ.get("OIDC_NAME") or "your organisation"
OIDC_CLIENT_ID = OIDC_CLIENT_SECRET = ""
OIDC_TENANT = os.environ.get("OIDC_TENANT", "")
OIDC_SCOPE = (os.environ.get("OIDC_SCOPE") or "openid profile email offline_access").split()
OIDC_ROLES_CLAIM = os.environ.get("OIDC_ROLES_CLAIM") or "roles"
OIDC_GROUPS = pairs("OIDC_GROUPS")
OIDC_RECHECK = 60 * number("OIDC_RECHECK_MINUTES", default=10)  # seconds
OIDC_REAUTHENTICATION = os.environ.get("OIDC_REAUTHENTICATION") or "login"
SOCIALACCOUNT_PROVIDERS = {}
if OIDC_ISSUER:
    check_issuer(OIDC_ISSUER)
    OIDC_CLIENT_ID = required("OIDC_CLIENT_ID", "OIDC_ISSUER is set, so the client's id is needed too.")
    OIDC_CLIENT_SECRET = secret(
        "OIDC_CLIENT_SECRET", "It is the client's secret that the provider of OIDC_ISSUER gave you.", shortest=16
    )
    if OIDC_REAUTHENTICATION not in {"login", "select_account"}:
        raise ImproperlyConfigured(
            f"OIDC_REAUTHENTICATION must be login or select_account, not {OIDC_REAUTHENTICATION!r}."
        )
    if unknown := set(OIDC_GROUPS.values()) - {"admin", "reader", "auditor"}:
        raise ImproperlyConfigured(f"OIDC_GROUPS gives {', '.join(unknown)}; there are admin, reader and auditor.")
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ],
    }

SESSION_ENGINE = "labeler.session_store"
SESSION_COOKIE_AGE = 3600 * number("SESSION_HOURS", default=8)  # seconds: one working day, then sign in again
SESSION_IDLE = 60 * number("SESSION_IDLE_MINUTES", default=60)  # seconds
# Strict would lose the session on the way back from an identity provider.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # a cookie less
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SESSION_COOKIE_NAME = "__Host-session" if BEHIND_TLS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if BEHIND_TLS else "csrf"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURITY_CONTACT = os.environ.get("SECURITY_CONTACT", "")  # mailto: or https:, for security.txt
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # A redirect that follows a form is held against this too: the sign-in button needs the provider's origin,
        # and those that the provider itself sends on to.
        "form-action": [SELF, *origins(OIDC_ISSUER), *words("OIDC_ORIGIN")],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        # No script of ours turns text into a page or into code; static/js/site.js has the one exception.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["service-worker"],
    },
}

# How much of an address the audit log keeps.
AUDIT_ADDRESSES = os.environ.get("AUDIT_ADDRESSES") or "shortened"
if AUDIT_ADDRESSES not in {"shortened", "full", "none"}:
    raise ImproperlyConfigured(f"AUDIT_ADDRESSES must be shortened, full or none, not {AUDIT_ADDRESSES!r}.")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 * 2**20  # bytes of a form without its files
DATA_UPLOAD_MAX_NUMBER_FILES = 500  # of a scoring job
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
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
# Workers of their own, so that a retraining does not hold up an import for an hour, nor the other way round. Nor what
# must not wait: erasing somebody, and sealing the ledger.
NOT_BEHIND_TRAINING = ("import_files", "tick", "erase", "resume_erasures", "erase_what_is_due", "seal_ledger")
CELERY_TASK_ROUTES = {
    "scoring.tasks.*": {"queue": "intake"},
    "training.tasks.forget_erased": {"queue": "intake"},
    **{f"labeler.tasks.{task}": {"queue": "intake"} for task in NOT_BEHIND_TRAINING},
}
CELERY_BEAT_SCHEDULE = {
    "retrain-nightly": {"task": "training.tasks.retrain_nightly", "schedule": 60.0, "options": {"expires": 60}},
    "collect-features": {
        "task": "training.tasks.collect_features",
        "schedule": crontab(day_of_week="sunday", hour="4", minute="30"),
    },
    "prune-runs": {
        "task": "training.tasks.prune_runs",
        "schedule": crontab(minute="45"),
        "options": {"expires": 3600},
    },
    "refresh-standings": {"task": "training.tasks.refresh_standings", "schedule": 300.0, "options": {"expires": 300}},
    "resume-runs": {"task": "training.tasks.resume_runs", "schedule": 60.0},
    "resume-chores": {"task": "labeler.tasks.resume_chores", "schedule": 60.0, "options": {"expires": 60}},
    "resume-imports": {"task": "labeler.tasks.resume_imports", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-scoring": {"task": "scoring.tasks.sweep", "schedule": 30.0, "options": {"expires": 30}},
    "tick": {"task": "labeler.tasks.tick", "schedule": 60.0, "options": {"expires": 60}},
    "resume-erasures": {"task": "labeler.tasks.resume_erasures", "schedule": 60.0, "options": {"expires": 60}},
    "forget-erased": {"task": "training.tasks.forget_erased", "schedule": 60.0, "options": {"expires": 60}},
    # Before the nightly run, which then learns without them.
    "erase-what-is-due": {
        "task": "labeler.tasks.erase_what_is_due",
        "schedule": crontab(hour=str((RETRAIN_HOUR - 1) % 24), minute=str(RETRAIN_MINUTE)),
    },
    "seal-ledger": {"task": "labeler.tasks.seal_ledger", "schedule": 60.0, "options": {"expires": 60}},
    "count-labels": {"task": "labeler.tasks.count_labels", "schedule": 30.0, "options": {"expires": 30}},
}
CELERY_BEAT_SCHEDULER = "labeler.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # what is due is written down at once, so that a beat that takes over sends it no more
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule.json")

# Where the site finds the scorer. Without one it scores photographs itself, as in tests.
SCORER_URL = os.environ.get("SCORER_URL", "")
# Requests that wait in a scorer beside those at work, one per core; the next is told to come again.
SCORER_WAITING = number("SCORER_WAITING", default=8)

BACKBONE = os.environ.get("BACKBONE", "resnet50")
if BACKBONE not in {"resnet50", "resnet152"}:
    raise ImproperlyConfigured(f"BACKBONE must be resnet50 or resnet152, not {BACKBONE!r}.")
# scoring/cores.py reads it, as the core knows no settings; here a malformed one stops the start.
if not (processes := os.environ.get("EMBEDDING_PROCESSES") or "1").isdecimal() or int(processes) < 1:
    raise ImproperlyConfigured(f"EMBEDDING_PROCESSES must be a number from 1 on, not {processes!r}.")

# Whether apps may name addresses: of photographs to fetch, and of webhooks (docs/api.md).
OUTBOUND = flag("OUTBOUND")
OUTBOUND_HOSTS = words("OUTBOUND_HOSTS")
OUTBOUND_NETWORKS = networks("OUTBOUND_NETWORKS")
# The published service's way to ask: GET /url/ImageURL=<url>.
LEGACY_API = flag("LEGACY_API")

LANGUAGE_CODE = "en"
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
USE_TZ = True

# Who shows it may read /metrics; without one nobody may.
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")
METRICS = ("labeler.telemetry.Installation", "training.telemetry.Learning")  # read when it is asked for

if os.environ.get("SENTRY_DSN"):
    error_reports.begin(os.environ["SENTRY_DSN"], release=os.environ.get("RELEASE", ""))

LOG_FORMAT = os.environ.get("LOG_FORMAT") or "line"
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured(f"LOG_FORMAT must be line (for people) or json (for programs), not {LOG_FORMAT!r}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "format": "%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s %(request)s %(reader)s %(task)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
    },
    "filters": {"about": {"()": "scoring.log_context.InLog"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["about"]}},
    "root": {"handlers": ["console"], "level": os.environ.get("LOG_LEVEL", "INFO")},
}
