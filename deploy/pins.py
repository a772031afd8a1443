"""Write requirements.txt and requirements-dev.txt: exact pins of what is installed.

The development file holds what only its own names bring; torch has a file of its own.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(names: list[str]) -> set[str]:
    """Return the names and everything they require here, by canonical name."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        key = canonicalize_name(requirement.name)
        if key in found and not requirement.extras:
            continue
        found.add(key)
        waiting += [child for child in _children(requirement.name) if _applies(child, extras)]
    return found


def _children(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return []


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def names_in(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def write(path: Path, source: str, pins: list[str]) -> None:
    path.write_text(f"# Written by `make pins` from {source}.\n" + "\n".join(pins) + "\n")


def main() -> None:
    frozen = [line for line in Path(sys.argv[1]).read_text().splitlines() if re.match(r"[\w.-]+==", line)]
    runtime = needed([*names_in(Path("requirements.in")), *names_in(Path("requirements-torch.txt"))])
    development = needed(names_in(Path("requirements-dev.in"))) - runtime
    for path, source, wanted in (
        (Path("requirements.txt"), "requirements.in", runtime),
        (Path("requirements-dev.txt"), "requirements-dev.in", development),
    ):
        write(path, source, [line for line in frozen if canonicalize_name(line.split("==")[0]) in wanted])


if __name__ == "__main__":
    main()
