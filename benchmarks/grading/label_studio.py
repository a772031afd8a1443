"""Label Studio as its users run it: in a virtual environment of its own, served by gunicorn, on PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg2

from benchmarks import stage

VERSION = "1.23.2"
CONFIG = """
<View><Image name="image" value="$image"/>
<Choices name="grade" toName="image" choice="single">
  <Choice value="1"/><Choice value="2"/><Choice value="3"/><Choice value="4"/><Choice value="5"/>
</Choices></View>
"""
# As many at work at once, and as many connections to the database, as ours.
PROCESSES = ("--worker-class", "gthread", "--workers", "4", "--threads", "4", "--keep-alive", "60")
MAKE_USERS = """
import json, os, time
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from organizations.models import Organization
from users.models import User
password = make_password(os.environ["BENCHMARK_PASSWORD"])  # once: it is slow on purpose
cookies = []
for number in range(int(os.environ["BENCHMARK_READERS"])):
    user = User.objects.create(email=f"reader{number}@example.org", password=password)
    organization = Organization.objects.first() or Organization.create_organization(created_by=user, title="Study")
    if not organization.has_user(user):
        organization.add_user(user)
    user.active_organization = organization
    user.save()
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    backend = settings.AUTHENTICATION_BACKENDS[-1]
    session.update({SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, "last_login": time.time()})
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    cookies.append(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
with open(os.environ["BENCHMARK_COOKIES"], "w") as file:
    json.dump(cookies, file)
"""
COOKIES = "theirs-cookies.json"  # beside the log: the sessions of all people, who are signed in already


def install(folder: Path) -> Path:
    """Install Label Studio into `folder` unless it is there, and return its Python."""
    python = folder / "bin" / "python"
    if not (folder / VERSION).exists():
        print(f"Installing Label Studio {VERSION} into {folder} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        packages = [f"label-studio=={VERSION}", "gunicorn"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (folder / VERSION).touch()
    return python


@contextmanager
def site(python: Path, log: Path, *options: str, readers: int, password: str) -> Iterator[str]:
    """Serve an empty Label Studio with these people, on the benchmark's PostgreSQL, and give its address."""
    own = {"BENCHMARK_READERS": str(readers), "BENCHMARK_PASSWORD": password}
    environment = _environment(log.parent) | own | {"BENCHMARK_COOKIES": str(log.parent / COOKIES)}
    _make_database(environment["POSTGRE_NAME"])
    code = next((python.parent.parent / "lib").glob("python3*/site-packages/label_studio"))
    with log.open("wb") as output:
        for arguments in (["migrate", "--verbosity", "0"], ["shell", "-c", MAKE_USERS]):
            subprocess.run(
                [str(python), str(code / "manage.py"), *arguments],
                env=environment,
                stdout=output,
                stderr=output,
                cwd=code,
                check=True,
            )
    command = [python, "-m", "gunicorn", "--pythonpath", code, "core.wsgi:application", *PROCESSES, *options]
    with stage.served([str(part) for part in command], log, at="/user/login/", environment=environment) as address:
        yield address


def _environment(folder: Path) -> dict[str, str]:
    from django.db import connection

    database = connection.settings_dict
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DJANGO")},
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "DJANGO_DB": "default",
        "POSTGRE_NAME": "label_studio",
        "POSTGRE_USER": str(database["USER"]),
        "POSTGRE_PASSWORD": str(database["PASSWORD"]),
        "POSTGRE_HOST": str(database["HOST"]),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LOG_LEVEL": "WARNING",
        "DEBUG": "0",
    }


def _make_database(name: str) -> None:
    from django.db import connection

    connection.ensure_connection()
    parameters = connection.get_connection_params()
    own = psycopg2.connect(**{key: parameters[key] for key in ("user", "password", "host", "dbname")})
    own.autocommit = True
    with own.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    own.close()


class Admin(Protocol):
    """Somebody signed in to Label Studio."""

    def get(self, path: str) -> bytes: ...
    def post_json(self, path: str, text: str) -> bytes: ...
    def post_files(self, path: str, files: dict[str, bytes]) -> bytes: ...


def make_project(admin: Admin, *, readers: int, tasks: int, pictures: Sequence[bytes] = ()) -> int:
    """Make a project whose tasks everybody may annotate, with these pictures again and again; return its number."""
    project = {"title": "Benchmark", "label_config": CONFIG, "maximum_annotations": readers}
    number = int(json.loads(admin.post_json("/api/projects/", json.dumps(project)))["id"])
    names = [f"/data/{name}" for name in _upload(admin, number, pictures)] or ["/data/none.jpg"]
    body = json.dumps([{"data": {"image": names[task % len(names)]}} for task in range(tasks)])
    admin.post_json(f"/api/projects/{number}/import", body)
    return number


def _upload(admin: Admin, project: int, pictures: Sequence[bytes]) -> list[str]:
    """Upload files without making tasks of them, and return where they are."""
    if not pictures:
        return []
    files = {f"{number}.webp": data for number, data in enumerate(pictures)}
    admin.post_files(f"/api/projects/{project}/import?commit_to_project=false", files)
    return [file["file"] for file in json.loads(admin.get(f"/api/projects/{project}/file-uploads?all=true"))]
