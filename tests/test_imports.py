"""The house (docs/architecture.md): each folder imports only folders above it, and a [core] folder knows no Django."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# Each folder may import those before it. A package's own files, such as its settings, urls and tasks, come last.
ORDER = [
    *("scoring.models", "scoring.weights", "scoring.photograph", "scoring.network"),
    *("scoring.platform", "scoring.regressor", "scoring.service", "scoring"),
    *(
        "labeler.charts",
        "labeler.models",
        "labeler.platform",
        "labeler.record",
        "labeler.accounts",
        "labeler.images",
        "labeler.studies",
    ),
    *("labeler.screening", "labeler.intake", "labeler.turning", "labeler.golden_set", "labeler.dealing"),
    *("labeler.grading", "labeler.oversight", "labeler.exchange", "labeler.blinding_audit", "labeler.privacy"),
    *("labeler.operations", "labeler.server", "labeler"),
    *("training.models", "training.statistics", "training.verdicts", "training.fitting", "training.publication"),
    *("training.reports", "training.runs", "training.export", "training"),
    "demo",
]
PACKAGES = ("scoring", "labeler", "training", "demo")
# Views put a row's id into the queue, so they know the tasks, which stand at the end of their package.
TASKS = {"scoring.tasks", "labeler.tasks", "training.tasks"}
# The one file of each that may load it, and only on first use.
HEAVY = {
    "torch": {"scoring/network/torch_network.py", "scoring/network/backbones.py"},
    "onnxruntime": {"scoring/network/onnx_network.py"},
    "dlib": {"scoring/photograph/faces.py"},
}
MOST_FILES = 12  # of a folder: more than that nobody reads as a list
MANY_FILES = {"migrations", "commands", "tests", "__pycache__", "node_modules"}
NOUN_EXCEPTIONS = {
    *("views", "urls", "admin", "forms", "access", "adapters", "provider", "responses", "queries", "limiter"),
}


def files(*packages: str) -> list[Path]:
    found = (path for package in packages for path in (REPOSITORY / package).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def module(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def folder(module_name: str) -> str:
    """Return the place in ORDER of a module."""
    return max((known for known in ORDER if module_name == known or module_name.startswith(f"{known}.")), key=len)


FILES = files(*PACKAGES)
MODULES = {module(path): path for path in FILES}


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


def ours(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, at whatever place in it."""
    return {one for one in imported(path) & MODULES.keys() if MODULES[one].name != "__init__.py"}


def imported_at_start(path: Path) -> set[str]:
    """Return what importing the file imports: not what its functions import when they are called."""
    tree = parsed(path)
    return {one for node in tree.body for one in modules(node) if isinstance(node, ast.Import | ast.ImportFrom)}


@cache
def is_core(path: Path) -> bool:
    """Whether the file, or the folder that it stands in, says that it is [core]."""
    said = (ast.get_docstring(parsed(one)) or "" for one in (path, path.with_name("__init__.py")))
    return any("[core]" in docstring for docstring in said)


CORE_FILES = [path for path in FILES if is_core(path)]


def test_every_folder_has_its_place_and_says_what_it_is() -> None:
    assert {folder(one) for one in MODULES} == set(ORDER)
    folders = [path for path in FILES if path.name == "__init__.py" and "management" not in path.parts]
    assert not [name(path) for path in folders if not ast.get_docstring(parsed(path))]


def test_a_folder_imports_only_folders_above_it() -> None:
    wrong = {}
    for path in FILES:
        own = ORDER.index(folder(module(path)))
        is_view = path.stem.endswith("views") or "api" in path.parts
        below = {one for one in ours(path) if ORDER.index(folder(one)) > own}
        wrong[name(path)] = below - TASKS if is_view else below
    assert_none(wrong)


def test_the_core_knows_only_the_core_and_no_django() -> None:
    assert len(CORE_FILES) > 40
    roots = {name(path): {one.split(".")[0] for one in imported(path)} for path in CORE_FILES}
    assert_none({path: found & {"django", "celery", "ninja"} for path, found in roots.items()})
    assert_none({name(path): {one for one in ours(path) if not is_core(MODULES[one])} for path in CORE_FILES})


def test_heavy_libraries_load_in_their_own_file_on_first_use() -> None:
    for heavy, places in HEAVY.items():
        loading = {name(path) for path in FILES if heavy in {one.split(".")[0] for one in imported(path)}}
        assert loading == places
        at_start = {name(path): {one.split(".")[0] for one in imported_at_start(path)} for path in FILES}
        assert_none({path: found & {heavy} for path, found in at_start.items()})


def test_a_noun_knows_no_request() -> None:
    """What a view needs of the web stays in views, forms and their like."""
    wrong = {}
    for path in FILES:
        if _last_word(path.stem) in NOUN_EXCEPTIONS or {"management", "api", "server"} & set(path.parts):
            continue
        of_the_web = {one for one in imported(path) if one.startswith(("django.http", "django.shortcuts"))}
        shown = {one for one in ours(path) if _last_word(one) in {"views", "forms"}}
        wrong[name(path)] = of_the_web | shown
    assert_none(wrong)


def test_no_folder_holds_more_files_than_one_can_read() -> None:
    """Screens and pictures count too; migrations, commands and tests do not."""
    tops = [REPOSITORY / top for top in (*PACKAGES, "templates", "static", "benchmarks", "docs", "deploy")]
    folders = [one for top in tops for one in (top, *top.rglob("*")) if one.is_dir()]
    known = [one for one in folders if not MANY_FILES & set(one.relative_to(REPOSITORY).parts)]
    counts = {name(one): sum(file.is_file() for file in one.iterdir()) for one in known}
    assert not {place: count for place, count in counts.items() if count > MOST_FILES}


def assert_none(wrong: dict[str, set[str]]) -> None:
    """Name the files that import what they may not."""
    assert not {path: found for path, found in wrong.items() if found}


def _last_word(name: str) -> str:
    return name.rsplit(".", 1)[-1].rsplit("_", 1)[-1]
