"""All settings, from typed environment readers; each is described in docs/configuration.md.

Outside debug everything that guards the site must be set: a missing secret stops the start.
"""

from pathlib import Path

import dj_database_url
import plotly
from csp.constants import NONE, SELF

from readiness.lib.env import env_bool, env_int, env_list, env_str, env_url, env_zone, load_dotenv

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

load_dotenv(BASE_DIR / ".env")

DEBUG = env_bool("READINESS_DEBUG", default=False)
SECRET_KEY = env_str("READINESS_SECRET_KEY")
ENCRYPTION_KEYS = env_list("READINESS_ENCRYPTION_KEYS")
ALLOWED_HOSTS = env_list("READINESS_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env_list("READINESS_CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = env_bool("READINESS_HTTPS", default=False)
"""Behind a TLS-terminating proxy: secure cookies, HSTS, and the proxy's X-Forwarded-Proto is believed."""

ALLOW_PRIVATE_UPSTREAMS = env_bool("READINESS_ALLOW_PRIVATE_UPSTREAMS", default=False)
SIMULATOR_URL = env_url(
    "READINESS_SIMULATOR_URL", default="http://127.0.0.1:8790/v1", schemes=["http", "https"]
)
DEMO = env_bool("READINESS_DEMO", default=True)
"""False keeps the demo's customers from asking; a site without a demo project has none."""
DEMO_PASSWORD = env_str("READINESS_DEMO_PASSWORD", default="")
RECORD_RETENTION_DAYS = env_int("READINESS_RECORD_RETENTION_DAYS", default=32, minimum=2)
"""The longest month and a day: what an API key or an end user spent in a month is summed from records."""
ANSWER_RETENTION_DAYS = env_int("READINESS_ANSWER_RETENTION_DAYS", default=30, minimum=8)
"""At least a day more than the week that spot-check evidence looks back on."""
ALERT_RETENTION_DAYS = env_int("READINESS_ALERT_RETENTION_DAYS", default=90, minimum=1)
BUDGET_TIME_ZONE = env_zone("READINESS_BUDGET_TIME_ZONE", default="UTC")
"""Budgets of a day or a month begin at its midnights."""

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "django_rq",
    "csp",
    "readiness.accounts",
    "readiness.projects",
    "readiness.alerts",
    "readiness.providers",
    "readiness.limits",
    "readiness.telemetry",
    "readiness.inference",
    "readiness.datasets",
    "readiness.prompts",
    "readiness.judges",
    "readiness.evaluations",
    "readiness.reviews",
    "readiness.benchmarks",
    "readiness.quality",
    "readiness.operations",
    "readiness.checklist",
    "readiness.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "readiness.accounts.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "readiness.accounts.middleware.TemporaryPasswordMiddleware",
    "csp.middleware.CSPMiddleware",
]

ROOT_URLCONF = "readiness.urls"
ASGI_APPLICATION = "readiness.asgi.application"

# Our templates of widgets before Django's (templates/django/forms).
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
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
            "builtins": ["readiness.lib.templatetags.readiness"],
        },
    },
]

# Database -----------------------------------------------------------------------------------------------

DATABASES = {
    "default": dj_database_url.parse(
        env_str("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'readiness.sqlite3'}"), conn_max_age=60
    )
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"] = {
        # A writer takes its lock at the start: a read upgraded later could not wait for another writer.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis and RQ -------------------------------------------------------------------------------------------

REDIS_URL = env_url(
    "REDIS_URL",
    default=f"redis://127.0.0.1:{env_int('READINESS_REDIS_PORT', default=6390, minimum=1, maximum=65535)}/0",
    schemes=["redis", "rediss", "unix"],
)
REPLAY_REDIS_URL = env_url("READINESS_REPLAY_REDIS_URL", default="", schemes=["redis", "rediss", "unix"])
"""A Redis that only replays of demand use; without one they start an embedded server."""

RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": timeout,
        "DEFAULT_RESULT_TTL": 3600,
        # The default is pickle: whoever can write to Redis could then run code in a worker.
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
    for name, timeout in {"default": 300, "benchmarks": 900, "spot_checks": 600}.items()
}

# People -------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "projects:list"
LOGOUT_REDIRECT_URL = "accounts:login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# Language and time --------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# Static files -------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # plotly.js comes with the Python package, so that page and figure always fit each other.
    ("plotly", Path(plotly.__file__).parent / "package_data"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# Uploads ------------------------------------------------------------------------------------------------

FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# Security -----------------------------------------------------------------------------------------------

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^health/"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Logging ------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env_str("READINESS_LOG_LEVEL", default="INFO")},
    "loggers": {
        # httpx logs every URL at INFO; addresses of upstreams do not belong into our log.
        "httpx": {"level": "WARNING"},
        # The scheduler tells of every job that it enqueues; the jobs' own rows say what ran.
        "rq.cron": {"level": "WARNING"},
    },
}
