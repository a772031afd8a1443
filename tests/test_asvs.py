"""docs/running/asvs.md names tests and files that are there, and says of each requirement one thing."""

import re
from collections import Counter

from tests.processes import REPOSITORY

SAID = (REPOSITORY / "docs" / "running" / "asvs.md").read_text()
TESTS = "".join(path.read_text() for path in sorted((REPOSITORY / "tests").rglob("*.py")))
FILES = {path.name for folder in ("tests", "docs") for path in (REPOSITORY / folder).rglob("*.*")}


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", SAID))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in TESTS} == set()


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(?:\w+/)*(\w+\.(?:py|md))`", SAID))
    ours = {path.name for folder in ("labeler", "scoring") for path in (REPOSITORY / folder).rglob("*.py")}
    assert named - FILES - ours == set()


def test_the_numbers_at_its_head_are_those_of_its_tables() -> None:
    verdicts: Counter[str] = Counter()
    for cell, verdict in re.findall(r"^\| ([\d., to]+) \| (yes|part|no|yours) \|", SAID, re.MULTILINE):
        verdicts[verdict] += sum(_count(part) for part in cell.split(","))
    met, part, no, yours = (verdicts[verdict] for verdict in ("yes", "part", "no", "yours"))
    assert f"{met} are met, {part} in part, {no} not; {yours} are yours" in SAID


def _count(part: str) -> int:
    """Of 6.2.5 to 6.2.10 there are six."""
    first, _, last = (word.strip() for word in part.partition(" to "))
    return int(last.rsplit(".")[-1]) - int(first.rsplit(".")[-1]) + 1 if last else 1
