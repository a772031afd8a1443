"""Imports run one way (docs/architecture.md): training -> labeler -> scoring, and the core knows no Django."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ALLOWED = {"scoring": {"scoring"}, "labeler": {"labeler", "scoring"}, "training": {"training", "labeler", "scoring"}}
CORE = [
    *("images", "faces", "patches", "recipes", "backbones", "features", "pipeline", "turns"),
    *("torch_network", "onnx_network", "onnx_graph", "cores", "answers"),
    *("weights", "conversion", "files"),
    *("quality", "upright", "overlays", "familiarity", "abstention", "addresses"),
    *("heads", "ridge", "reader_effects", "selection", "gate"),
    *("rolling", "fitting", "calibration", "planning", "recompute", "verify_ledger"),
    *("intervals", "metrics", "regression", "agreement", "bias"),
    *("stability", "drift", "subgroups", "panels", "label_tables"),
    *("blinding", "guessing", "traits", "webp"),
]
CORE_FILES = [
    *(path for app in ALLOWED for path in (REPOSITORY / app).glob("*.py") if path.stem in CORE),
    *(REPOSITORY / "training" / "charts").glob("*.py"),
]
# The one file of each that may load it, and only on first use.
HEAVY = {
    "torch": {"scoring/torch_network.py", "scoring/backbones.py"},
    "onnxruntime": {"scoring/onnx_network.py"},
    "dlib": {"scoring/faces.py"},
}
NOUN_EXCEPTIONS = {
    "run_pages",
    "views",
    "api",
    "urls",
    "admin",
    "forms",
    "tasks",
    "apps",
    "wsgi",
    "celery",
    "settings",
    "access",
    "accounts",
    "provider",
}


def files(*apps: str) -> list[Path]:
    return sorted(path for app in apps for path in (REPOSITORY / app).rglob("*.py") if "migrations" not in path.parts)


def modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    return frozenset(modules(parsed(path)))


def imported_at_start(path: Path) -> set[str]:
    """Return what importing the file imports: not what its functions import when they are called."""
    tree = parsed(path)
    return {name for node in tree.body for name in modules(node) if isinstance(node, ast.Import | ast.ImportFrom)}


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("path", files("scoring", "labeler", "training"), ids=name)
def test_imports_run_one_way(path: Path) -> None:
    ours = {module.split(".")[0] for module in imported(path)} & ALLOWED.keys()
    assert ours <= ALLOWED[path.relative_to(REPOSITORY).parts[0]]


@pytest.mark.parametrize("path", CORE_FILES, ids=name)
def test_the_core_knows_no_django(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported(path)}
    assert not roots & {"django", "celery", "ninja"}


@pytest.mark.parametrize("path", CORE_FILES, ids=name)
def test_the_core_knows_only_the_core_of_ours(path: Path) -> None:
    ours = {module for module in imported(path) if module.split(".")[0] in ALLOWED and module.count(".") == 1}
    assert {module.split(".")[1] for module in ours} <= {*CORE, "charts"}


@pytest.mark.parametrize("path", files("scoring", "labeler", "training"), ids=name)
@pytest.mark.parametrize("heavy", HEAVY)
def test_heavy_libraries_load_in_their_own_file_on_first_use(path: Path, heavy: str) -> None:
    roots = {module.split(".")[0] for module in imported(path)}
    assert heavy not in roots or name(path) in HEAVY[heavy]
    assert heavy not in {module.split(".")[0] for module in imported_at_start(path)}


@pytest.mark.parametrize("path", files("scoring", "labeler", "training"), ids=name)
def test_a_noun_knows_no_request(path: Path) -> None:
    if path.stem in NOUN_EXCEPTIONS or {"management", "views", "forms", "api"} & set(path.parts):
        return
    forbidden = ("django.http", "django.shortcuts", "labeler.views", "labeler.forms", "training.views")
    assert not [module for module in imported(path) if module.startswith(forbidden)]
