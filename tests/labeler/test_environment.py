"""Which environment variables are accepted, as what, and which sentence an operator reads about the others."""

import os
import re
from datetime import time
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from labeler import environment
from tests.processes import REPOSITORY

GOOD_KEY = "Xf3kQ9vLr2Tz7WbYc5NpHm8JdGs4Ua6EoRi1KtVxBqMlZyCwPn"
PRODUCTION = {
    "DATABASE_URL": "postgresql://acne:kJh3@db.clinic.org/acne",
    "REDIS_URL": "redis://broker.clinic.org/0",
    "SECRET_KEY": GOOD_KEY,
    "ALLOWED_HOSTS": "acne.clinic.org",
    "SECURITY_CONTACT": "mailto:security@clinic.org",
    "OIDC_ISSUER": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
    "OIDC_CLIENT_ID": "the application's id",
    "OIDC_CLIENT_SECRET": "Qw8~fJ3kLm2Xv9Pz7Tn5",
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def read(monkeypatch: pytest.MonkeyPatch, **changed: str) -> environment.Environment:
    for name, value in (PRODUCTION | changed).items():
        monkeypatch.setenv(name, value)
    return environment.read()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set. Give a URL such as postgresql://user:password@host:5432/acne"),
        ({"DATABASE_URL": "mysql://acne:kJh3@db/acne"}, "DATABASE_URL must begin with postgresql://"),
        ({"DATABASE_URL": "postgresql://acne:kJ%h3@db/acne"}, "DATABASE_URL cannot be read as a PostgreSQL URL"),
        ({"REDIS_URL": ""}, "REDIS_URL is not set. Give a URL such as redis://host:6379/0"),
        ({"STATEMENT_SECONDS": "-1"}, "STATEMENT_SECONDS cannot be '-1'"),
        ({"DEBUG": "perhaps"}, "DEBUG cannot be 'perhaps'"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. Make one with: python -c"),
        ({"SECRET_KEY": GOOD_KEY[:40]}, "SECRET_KEY is too short"),
        ({"SECRET_KEY": "ab" * 30}, "SECRET_KEY is too short"),
        ({"SECRET_KEY": f"demo-{GOOD_KEY}"}, "SECRET_KEY is the one of an example or the demo."),
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is not set. OIDC_ISSUER is set"),
        ({"OIDC_CLIENT_SECRET": ""}, "OIDC_CLIENT_SECRET is not set. It is the client's secret"),
        ({"OIDC_CLIENT_SECRET": "short"}, "OIDC_CLIENT_SECRET is too short"),
        ({"OIDC_CLIENT_SECRET": f"change-me-{GOOD_KEY}"}, "OIDC_CLIENT_SECRET is the one of an example"),
        ({"OIDC_ISSUER": "https://login.microsoftonline.com/common/v2.0"}, "OIDC_ISSUER must name your own tenant"),
        ({"OIDC_ISSUER": "https://login.microsoftonline.com/organizations/v2.0"}, "must name your own tenant"),
        ({"OIDC_ISSUER": "http://idp.clinic.org"}, "OIDC_ISSUER must begin with https://"),
        ({"OIDC_GROUPS": "group"}, "OIDC_GROUPS must be pairs such as group=reader, not 'group'."),
        (
            {"OIDC_GROUPS": "group=superuser"},
            "OIDC_GROUPS cannot be 'superuser': Input should be 'admin', 'reader' or 'auditor'.",
        ),
        ({"OIDC_REAUTHENTICATION": "none"}, "OIDC_REAUTHENTICATION cannot be 'none': Input should be 'login' or"),
        ({"LOCAL_PASSWORDS": "1", "REQUIRE_MFA": "0"}, "a password alone is for a machine of your own"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set. Name the hosts that people type"),
        ({"ALLOWED_HOSTS": "acne.clinic.org,*"}, "ALLOWED_HOSTS may not be *"),
        ({"SCORER_WAITING": "some"}, "SCORER_WAITING cannot be 'some': Input should be a valid integer"),
        ({"EMBEDDING_PROCESSES": "0"}, "EMBEDDING_PROCESSES cannot be '0'"),
        ({"HAND_OVER": "apache"}, "HAND_OVER cannot be 'apache': Input should be '', 'x-accel-redirect' or"),
        ({"HAND_OVER": "x-sendfile", "MEDIA_BUCKET": "files"}, "HAND_OVER cannot be x-sendfile with MEDIA_BUCKET"),
        ({"SESSION_HOURS": "many"}, "SESSION_HOURS cannot be 'many': Input should be a valid integer"),
        ({"RETRAIN_AT": "25:00"}, "RETRAIN_AT must be a time of day such as 02:30, not '25:00'."),
        ({"RETRAIN_AT": "150"}, "RETRAIN_AT must be a time of day such as 02:30, not '150'."),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE cannot be 'Mars/Olympus'"),
        ({"BACKBONE": "vgg16"}, "BACKBONE cannot be 'vgg16': Input should be 'resnet50' or 'resnet152'."),
        ({"OUTBOUND_NETWORKS": "10.1.2.0/240"}, "OUTBOUND_NETWORKS cannot be '10.1.2.0/240'"),
        ({"AUDIT_ADDRESSES": "some"}, "AUDIT_ADDRESSES cannot be 'some'"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT cannot be 'xml': Input should be 'line' or 'json'."),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL cannot be 'loud'"),
    ],
)
def test_a_bad_setting_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(monkeypatch, **changed)
    (line,) = str(refused.value).splitlines()
    assert sentence in line
    assert not {value for name, value in changed.items() if name in {"SECRET_KEY", "OIDC_CLIENT_SECRET"}} - {""} & {
        line
    }
    assert "kJ" not in line


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        environment.read()
    names = [line.split()[0] for line in str(refused.value).splitlines()]
    assert names == ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS"]


def test_an_installation_gets_what_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = read(
        monkeypatch,
        ALLOWED_HOSTS="acne.clinic.org, acne.clinic.net,",
        VAR_DIR=str(tmp_path),
        HAND_OVER="X-Accel-Redirect",
        OIDC_GROUPS="g1=admin,g2=reader",
        OUTBOUND="yes",
        OUTBOUND_NETWORKS="10.1.2.0/24,fd00::/8",
        RETRAIN_AT="04:05",
        TIME_ZONE="Europe/Berlin",
    )
    assert env.allowed_hosts == ["acne.clinic.org", "acne.clinic.net"]
    assert env.media_root == tmp_path / "media"
    assert env.hand_over == "x-accel-redirect"
    assert env.oidc_groups == {"g1": "admin", "g2": "reader"}
    assert env.outbound
    assert env.outbound_networks == [ip_network("10.1.2.0/24"), ip_network("fd00::/8")]
    assert env.retrain_at == time(4, 5)
    assert env.time_zone.key == "Europe/Berlin"
    assert (env.behind_tls, env.trusted_proxies, env.require_mfa) == (True, 1, True)


def test_a_machine_of_ones_own_needs_neither_tls_nor_a_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    env = read(monkeypatch, BEHIND_TLS="0", ALLOWED_HOSTS="", LOCAL_PASSWORDS="1", REQUIRE_MFA="0", OIDC_ISSUER="")
    assert env.allowed_hosts == ["localhost", "127.0.0.1"]
    assert (env.trusted_proxies, env.require_mfa) == (0, False)


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        (
            "postgres://acne:k%23%40h@db.clinic.org:6543/study?sslmode=verify-full",
            {
                "user": "acne",
                "password": "k#@h",
                "host": "db.clinic.org",
                "port": "6543",
                "dbname": "study",
                "sslmode": "verify-full",
            },
        ),
        (
            "postgresql://acne:kJh3@/acne?host=/run/our%20socket",
            {"user": "acne", "password": "kJh3", "host": "/run/our socket", "dbname": "acne"},
        ),
    ],
)
def test_a_database_url_is_read_as_libpq_reads_it(
    monkeypatch: pytest.MonkeyPatch, url: str, parameters: dict[str, str]
) -> None:
    assert read(monkeypatch, DATABASE_URL=url).database_url == parameters


def test_the_example_is_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    example = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    env = read(monkeypatch, **example | {name: value for name, value in PRODUCTION.items() if not example.get(name)})
    assert os.environ["BACKBONE"] == env.backbone
    assert env.oidc_scope.split() == ["openid", "profile", "email", "offline_access"]
    assert "database.example" not in repr(env)
