"""The Django settings. What differs between installations comes from environment variables (labeler/environment.py)."""

from urllib.parse import urljoin

from celery.schedules import crontab
from csp.constants import NONE, SELF

from labeler import environment
from scoring.platform import error_reports

env = environment.read()
BASE_DIR = environment.BASE_DIR
ENTRA_HOSTS = environment.ENTRA_HOSTS

DEBUG = env.debug
SECRET_KEY = env.secret_key
BEHIND_TLS = env.behind_tls
ALLOWED_HOSTS = env.allowed_hosts
CSRF_TRUSTED_ORIGINS = env.csrf_trusted_origins

VAR_DIR = env.var_dir
MEDIA_ROOT = env.media_root
WEIGHTS_DIR = env.weights_dir
FACES_DIR = env.faces_dir  # photographs in the public domain, for made selfies

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
    "django.forms",  # so that templates/django/forms/ comes before Django's own
    "labeler",
    "labeler.accounts.oidc",
    "scoring",
    "training",
    "demo",
]
MIDDLEWARE = [
    "labeler.server.headers.IsolatePages",
    "scoring.service.api.middleware.RequestIds",
    "scoring.service.api.middleware.ApiAnswers",
    "django.middleware.security.SecurityMiddleware",
    "labeler.server.scorer_forwarding.ToScorer",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "labeler.server.headers.LetAdminBe",
    "labeler.accounts.views.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "labeler.server.headers.RememberOrigin",
    "labeler.server.body_limits.LimitBodies",
    "labeler.accounts.views.WatchSession",
    "labeler.accounts.unblinding_views.AskForReason",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # every view, unless it says `login_not_required`
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
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

server = dict(env.database_url)
DATABASES = {
    "default": {
        "ENGINE": "labeler.platform.postgresql",
        "NAME": server.pop("dbname", ""),
        "USER": server.pop("user", ""),
        "PASSWORD": server.pop("password", ""),
        "HOST": server.pop("host", ""),
        "PORT": server.pop("port", ""),
        "CONN_MAX_AGE": 3600,  # seconds; opening a connection holds up a request for 40 ms
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A server that is cut off without a word is known to be gone within a minute, not a quarter of an hour.
            "connect_timeout": 5,
            "tcp_user_timeout": 30_000,  # seconds, milliseconds
            "keepalives_idle": 20,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **server,
            # A statement that hangs must not hold a worker: fail, and let the caller send again.
            "options": "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s "
            f"-c statement_timeout={env.statement_seconds}s",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.redis_url
CACHES = {
    # allauth's rate limits live here: every web process shares them, and sign-in works while the broker is down.
    "default": {
        "BACKEND": "labeler.platform.cache.Cache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so that filling it does not empty it, and with it the limits
    },
}
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        # A face is readable by the service's own account only.
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "labeler.platform.staticfiles.StaticFilesStorage"},
}
# Object storage that speaks S3: for all files instead of MEDIA_ROOT, and as places to fill studies from.
S3_ENDPOINT = env.s3_endpoint
INTAKE_PLACES = env.intake_places
MEDIA_BUCKET = env.media_bucket
if MEDIA_BUCKET:
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": MEDIA_BUCKET,
            "endpoint_url": S3_ENDPOINT or None,
            "file_overwrite": True,  # what is stored under a name replaces what was there, as in a folder
        },
    }
# Whether a web server in front sends the bytes of photographs, once we have checked the permission.
HAND_OVER = env.hand_over
# At how many images a second, in the long run, a reader's page gets new ones.
IMAGES_PER_SECOND = env.images_per_second
# The largest photograph that a study takes; apps and atlases have scoring.photograph.decoding.SELFIE.
INTAKE_MAX_BYTES, INTAKE_MAX_PIXELS = env.intake_megabytes * 2**20, env.intake_megapixels * 10**6
STATIC_URL = "static/"
STATIC_ROOT = env.static_root
STATICFILES_DIRS = [BASE_DIR / "static"]

AUTH_USER_MODEL = "labeler.User"
AUTHENTICATION_BACKENDS = ["labeler.accounts.allauth_adapters.Passwords"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# An installation on a machine of its own sets both for its demo (labeler.server.embedded); elsewhere passwords
# are asked for.
LOCAL_PASSWORDS = env.local_passwords
REQUIRE_MFA = env.require_mfa
PASSWORD_RESET_TIMEOUT = 600  # seconds a link of `manage.py break_glass` is good for; no password is ever reset by mail
ACCOUNT_ADAPTER = "labeler.accounts.allauth_adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "labeler.accounts.allauth_adapters.SocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Of addresses that X-Forwarded-For lists, the proxies in front of us wrote this many: rate limits go by the one before.
ALLAUTH_TRUSTED_PROXY_COUNT = env.trusted_proxies
MFA_ADAPTER = "labeler.accounts.second_factors.SecondFactors"
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

OIDC_ISSUER = env.oidc_issuer
OIDC_CLIENT_ID = env.oidc_client_id
OIDC_CLIENT_SECRET = env.oidc_client_secret
OIDC_NAME = env.oidc_name
OIDC_TENANT = env.oidc_tenant
OIDC_SCOPE = env.oidc_scope.split()
OIDC_ROLES_CLAIM = env.oidc_roles_claim
OIDC_GROUPS = env.oidc_groups
OIDC_RECHECK = 60 * env.oidc_recheck_minutes  # seconds
OIDC_REAUTHENTICATION = env.oidc_reauthentication
SOCIALACCOUNT_PROVIDERS = {}
if OIDC_ISSUER:
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

SESSION_ENGINE = "labeler.platform.session_store"
SESSION_COOKIE_AGE = 3600 * env.session_hours  # seconds: one working day, then sign in again
SESSION_IDLE = 60 * env.session_idle_minutes  # seconds
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
SECURITY_CONTACT = env.security_contact  # mailto: or https:, for security.txt
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
        "form-action": [SELF, *([urljoin(OIDC_ISSUER, "/").rstrip("/")] if OIDC_ISSUER else []), *env.oidc_origin],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        # No script of ours turns text into a page or into code; static/site/site.js has the one exception.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["service-worker"],
    },
}

# How much of an address the audit log keeps.
AUDIT_ADDRESSES = env.audit_addresses
# Where the ledger's newest blocks are written down, out of the database's reach (labeler/record/anchors.py).
LEDGER_ANCHORS = env.ledger_anchors

DATA_UPLOAD_MAX_MEMORY_SIZE = 1 * 2**20  # bytes of a form without its files
DATA_UPLOAD_MAX_NUMBER_FILES = 500  # of a scoring job
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_PERMISSIONS = 0o600

RETRAIN_HOUR, RETRAIN_MINUTE = env.retrain_at.hour, env.retrain_at.minute
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
NOT_BEHIND_TRAINING = ("tick", "erase_what_is_due", "seal_ledger")
# A kind of job names its queue where it is registered (scoring/platform/jobs.py).
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
    "sweep": {"task": "scoring.tasks.sweep", "schedule": 30.0, "options": {"expires": 30}},
    "forget-scored": {"task": "scoring.tasks.forget", "schedule": 60.0, "options": {"expires": 60}},
    "clean-uploads": {"task": "labeler.tasks.clean_uploads", "schedule": 60.0, "options": {"expires": 60}},
    "tick": {"task": "labeler.tasks.tick", "schedule": 60.0, "options": {"expires": 60}},
    "forget-erased": {"task": "training.tasks.forget_erased", "schedule": 60.0, "options": {"expires": 60}},
    # Before the nightly run, which then learns without them.
    "erase-what-is-due": {
        "task": "labeler.tasks.erase_what_is_due",
        "schedule": crontab(hour=str((RETRAIN_HOUR - 1) % 24), minute=str(RETRAIN_MINUTE)),
    },
    "seal-ledger": {"task": "labeler.tasks.seal_ledger", "schedule": 60.0, "options": {"expires": 60}},
    "count-labels": {"task": "labeler.tasks.count_labels", "schedule": 30.0, "options": {"expires": 30}},
}
CELERY_BEAT_SCHEDULER = "labeler.server.beat:Scheduler"
CELERY_BEAT_SYNC_EVERY = 1  # what is due is written down at once, so that a beat that takes over sends it no more
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule.json")

# Where the site finds the scorer. Without one it scores photographs itself, as in tests.
SCORER_URL = env.scorer_url
# Requests that wait in a scorer beside those at work, one per core; the next is told to come again.
SCORER_WAITING = env.scorer_waiting

BACKBONE = env.backbone

# Whether apps may name addresses: of photographs to fetch, and of webhooks (docs/api.md).
OUTBOUND = env.outbound
OUTBOUND_HOSTS = env.outbound_hosts
OUTBOUND_NETWORKS = env.outbound_networks
# The published service's way to ask: GET /url/ImageURL=<url>.
LEGACY_API = env.legacy_api

LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone.key
USE_TZ = True

# The bearer token of /metrics; without one, /metrics is closed.
METRICS_TOKEN = env.metrics_token
METRICS = ("labeler.operations.telemetry.Installation", "training.runs.telemetry.Learning")  # read when it is asked for

if env.sentry_dsn:
    error_reports.begin(env.sentry_dsn, release=env.release)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "scoring.platform.log_context.OneLine",
            "fmt": "%(asctime)s %(levelname)s %(name)s%(about)s: %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s %(request)s %(reader)s %(task)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
    },
    "filters": {"about": {"()": "scoring.platform.log_context.InLog"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": env.log_format, "filters": ["about"]}},
    # At DEBUG libraries write down what passes through them: Pillow names, dates and places out of photographs, Django
    # people's names in SQL, storage clients their keys. So DEBUG is for our own code alone.
    "root": {"handlers": ["console"], "level": "INFO" if env.log_level == "DEBUG" else env.log_level},
    "loggers": {
        **{name: {"level": env.log_level} for name in ("labeler", "scoring", "training", "demo")},
        "django": {"handlers": [], "level": "NOTSET"},  # no second handler, whose lines are not escaped
    },
}
