"""What is deployed says the same everywhere, and every container's command and health check work as they stand."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from labeler.environment import Environment
from labeler.operations import memory
from labeler.server import supervisor
from tests import processes

REPOSITORY = processes.REPOSITORY
BASE = REPOSITORY / "deploy" / "k8s" / "base"
EXAMPLE = REPOSITORY / "deploy" / "k8s" / "overlays" / "example"
COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("acne-study")}
PROCESSES = sorted(supervisor.commands(site="", scorer=""))
SECRETS = {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "OIDC_CLIENT_SECRET"}
PATIENCE = 120  # seconds until a process that does not become healthy is reported

Document = dict[str, Any]


def manifests(folder: Path = BASE) -> list[Document]:
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [document for path in files for document in yaml.safe_load_all(path.read_text()) if "kind" in document]


def of_kind(*kinds: str) -> dict[str, Document]:
    return {document["metadata"]["name"]: document for document in manifests() if document["kind"] in kinds}


def pod(document: Document) -> Document:
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def settings_named() -> set[str]:
    return set(re.findall(r"^([A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))


def test_compose_runs_every_process_and_the_migrations() -> None:
    assert {name: service["command"] for name, service in OURS.items()} == {
        "migrate": ["migrate", "--no-input"],
        **{name: ["run", name] for name in PROCESSES},
    }


def test_kubernetes_runs_every_process_and_the_migrations() -> None:
    runs = {name: pod(document)["containers"][0]["args"] for name, document in of_kind("Deployment", "Job").items()}
    assert runs == {name: service["command"] for name, service in OURS.items()}


def test_every_setting_that_is_given_is_documented() -> None:
    (config,) = of_kind("ConfigMap").values()
    given = set(COMPOSE["x-app"]["environment"]) | set(config["data"]) | SECRETS
    assert given <= settings_named()
    operations = (REPOSITORY / "docs" / "running" / "operations.md").read_text()
    assert not {name for name in settings_named() if f"`{name}`" not in operations}


def test_every_setting_that_is_read_is_documented() -> None:
    assert settings_named() == {name.upper() for name in Environment.model_fields} | {"LOCAL"}


def test_no_secret_stands_in_a_file() -> None:
    (config,) = of_kind("ConfigMap").values()
    assert not SECRETS & set(config["data"])
    given = COMPOSE["x-app"]["environment"]
    assert all("${" in given[name] for name in SECRETS)


def test_torch_has_one_version_for_cpus_and_gpus() -> None:
    pinned = [(REPOSITORY / "requirements" / f"torch-{kind}.txt").read_text() for kind in ("cpu", "cuda")]
    cpu, cuda = (set(re.findall(r"^torch==([0-9.]+)", text, re.MULTILINE)) for text in pinned)
    assert cpu == cuda
    assert len(cpu) == 1


def test_only_the_proxy_has_ports() -> None:
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["proxy"]


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_container_writes_to_its_volumes_only_and_gains_nothing(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", sorted(of_kind("Deployment", "Job")))
def test_a_pod_is_nobody_and_writes_to_its_volumes_only(name: str) -> None:
    spec = pod(of_kind("Deployment", "Job")[name])
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", memory.ITSELF)
def test_a_pod_has_the_memory_that_its_photographs_may_need(name: str) -> None:
    limits = pod(of_kind("Deployment")[name])["containers"][0]["resources"]["limits"]
    number, unit = limits["memory"][:-2], limits["memory"][-2:]
    assert int(number) * {"Mi": 2**20, "Gi": 2**30}[unit] >= memory.needed(name, int(limits.get("cpu", 1)))


def test_services_budgets_and_scalers_name_pods_that_exist() -> None:
    components = set(of_kind("Deployment"))
    for document in manifests():
        spec = document.get("spec", {})
        if document["kind"] == "Service":
            assert spec["selector"]["app.kubernetes.io/component"] in components
        if document["kind"] == "PodDisruptionBudget":
            assert spec["selector"]["matchLabels"]["app.kubernetes.io/component"] in components
        if document["kind"] == "HorizontalPodAutoscaler":
            assert spec["scaleTargetRef"]["name"] in components
    assert of_kind("Deployment")["beat"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_kustomize_is_told_of_every_file(folder: Path) -> None:
    told = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = [*told["resources"], *(patch["path"] for patch in told.get("patches", []))]
    here = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert here == {name for name in named if not name.startswith("..")}


def container_environment(folder: Path, ports: dict[str, int], changed: dict[str, str]) -> dict[str, str]:
    """Return the environment of compose's containers, on this test's servers and this machine's ports."""
    people = {"SITE_HOST": "acne.example", "POSTGRES_PASSWORD": "x", "VALKEY_PASSWORD": "x", **changed}
    given = {name: interpolated(value, people) for name, value in COMPOSE["x-app"]["environment"].items()}
    ours = {name: processes.environment()[name] for name in ("DATABASE_URL", "REDIS_URL", "WEIGHTS_DIR")}
    folders = {"VAR_DIR": str(folder), "MEDIA_ROOT": str(folder / "media"), "STATIC_ROOT": str(folder / "static")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**given, **ours, **folders, "SCORER_URL": f"http://127.0.0.1:{ports['scorer']}", "LOCAL": "0", "PATH": path}


def interpolated(value: str, given: dict[str, str]) -> str:
    """Fill in compose's ${NAME:-default} and ${NAME:?sentence}."""
    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", lambda found: given.get(found[1]) or found[3], value)


@pytest.fixture
def containers(transactional_db: None, tmp_path: Path) -> Iterator[dict[str, tuple[str, dict[str, str]]]]:
    """Run what compose runs, as processes; give each one's health check as it stands, and its environment."""
    ports = {"web": processes.free_port(), "scorer": processes.free_port()}
    (tmp_path / "data").mkdir()
    key = {"SECRET_KEY": "f3Qx8-vN2pL7_sKd9WzRb4TyHc6MgJ1aEuXoPi5BkVwZqYtSnDl0"}
    environment = container_environment(tmp_path / "data", ports, key)
    manage("collectstatic", "--no-input", environment=environment)
    manage(*OURS["migrate"]["command"], environment=environment)
    with ExitStack() as stack:
        for name in PROCESSES:
            bind = ("--bind", f"127.0.0.1:{ports[name]}") if name in ports else ()
            arguments = ("manage", *OURS[name]["command"], *bind)
            stack.enter_context(processes.running(*arguments, log=tmp_path / f"{name}.log", **environment))
        yield {name: (health_check(name, tmp_path / "data", ports.get(name)), environment) for name in PROCESSES}


def manage(*arguments: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, env=os.environ | environment, cwd=REPOSITORY, check=True, capture_output=True)


def health_check(name: str, data: Path, port: int | None) -> str:
    """Return compose's health check as a line for a shell."""
    kind, *words = OURS[name]["healthcheck"]["test"]
    line = words[0] if kind == "CMD-SHELL" else " ".join(words)
    return line.replace("$$", "$").replace(":8000", f":{port}").replace("/var/lib/acne", str(data))


@pytest.mark.timeout(600)
def test_every_container_becomes_healthy_with_the_environment_of_compose(
    containers: dict[str, tuple[str, dict[str, str]]], tmp_path: Path
) -> None:
    for name, (check, environment) in containers.items():
        said = until_healthy(check, environment)
        assert said.returncode == 0, f"{name}: {check}\n{said.stdout}\n{(tmp_path / f'{name}.log').read_text()}"
    redirect = subprocess.run(
        [sys.executable, "deploy/probe.py", containers["web"][0].split()[-1].replace("/readyz", "/nowhere")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert redirect.returncode == 1  # not by TLS, not by the host's name: only probes are answered


def until_healthy(check: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    deadline = time.monotonic() + PATIENCE
    while True:
        said = subprocess.run(
            ["sh", "-c", check],
            env=os.environ | environment,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if said.returncode == 0 or time.monotonic() > deadline:
            return said
