"""Draws come of a secret and a purpose: none tells of another, and they are those that the documentation defines."""

import ast
import hashlib
import hmac
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.exchange import export
from labeler.models import Study
from labeler.record import keyed_draws
from labeler.record.keyed_draws import Draws
from labeler.studies import studies
from tests import test_imports
from tests.builders import SECRET

# What may draw by a seed, in labeler, and why.
MAY_BE_SEEDED = {
    "labeler/exchange/imported_labels.py": "a label that is imported twice is known by its row in the file",
    "labeler/blinding_audit/classifier.py": "the audit's statistics: the same rows give the same numbers",
    "labeler/blinding_audit/guesses.py": "the audit's attacker makes secrets as they should not be made",
    "labeler/blinding_audit/reconstruction.py": "the audit's attacker deals as earlier releases did",
}
MAY_NAME_THE_SECRET = {
    "labeler/record/keyed_draws.py",
    "labeler/golden_set/commitments.py",  # its dealing key goes into the promise
    "labeler/blinding_audit/reconstruction.py",  # whether two studies have the same
}
MAY_NAME_THE_SEED = {"labeler/blinding_audit/reconstruction.py"}  # what others may find out
SAFE = {"secrets", "random.SystemRandom", "uuid.uuid4"}
OF_A_STUDY = {"seed", "slug", "pk", "id", "created_at", "title", "code"}


def dotted(node: ast.expr) -> str:
    """Return the name that an expression is written as, such as `np.random.default_rng`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.Module) -> dict[str, str]:
    """Return what each name of a file stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.split(".")[0]: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def full_names(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and (said := dotted(node)):
            first, _, rest = said.partition(".")
            yield node, f"{names.get(first, first)}.{rest}".rstrip(".")


def seeded(source: str) -> set[str]:
    """Return what a file draws by that is no system's randomness and no keyed draw."""
    found = set()
    for _, name in full_names(ast.parse(source)):
        is_random = name.startswith(("random.", "numpy.random.", "uuid.uuid")) and name not in SAFE
        # The type of a generator, in an annotation, draws nothing.
        if is_random and not name.endswith((".Generator", ".UUID")):
            found.add(name)
    return found


def unkeyed(source: str) -> set[str]:
    """Return where a hash is made of what anybody can find out of a study."""
    tree = ast.parse(source)
    hashing = {id(node) for node, name in full_names(tree) if name.startswith("hashlib.")}
    found = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node.func) in hashing):
        read = [node for part in call.args for node in ast.walk(part) if isinstance(node, ast.Attribute)]
        of_study = [node for node in read if dotted(node.value).rpartition(".")[2] in {"study", "reader", "assignment"}]
        if any(node.attr in OF_A_STUDY for node in of_study):
            found.add(ast.unparse(call))
    return found


FILES = [path for path in test_imports.FILES if "labeler" in path.parts]


def test_nothing_is_drawn_but_by_a_key_or_by_the_system() -> None:
    drawing = {test_imports.name(path): seeded(path.read_text()) for path in FILES}
    assert {name: found for name, found in drawing.items() if found and name not in MAY_BE_SEEDED} == {}
    assert {name for name, found in drawing.items() if found} == set(MAY_BE_SEEDED)


def test_nothing_is_named_by_a_hash_of_what_is_known() -> None:
    assert {test_imports.name(path): found for path in FILES if (found := unkeyed(path.read_text()))} == {}


@pytest.mark.parametrize(
    ("attribute", "allowed"), [("secret", MAY_NAME_THE_SECRET), ("seed", MAY_NAME_THE_SEED)], ids=["secret", "seed"]
)
def test_few_files_name_a_studys_secret_or_seed(attribute: str, allowed: set[str]) -> None:
    naming = {test_imports.name(path) for path in FILES if reads(path.read_text(), attribute)}
    assert naming == allowed


def reads(source: str, attribute: str) -> bool:
    """Whether a file reads a column of studies, or asks the database for it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and dotted(node).endswith(f"study.{attribute}"):
            return True
        if isinstance(node, ast.Call) and dotted(node.func).endswith((".values_list", ".values", ".only", ".filter")):
            words = [word.value for word in node.args if isinstance(word, ast.Constant)]
            words += [keyword.arg for keyword in node.keywords]
            if any(str(word).rpartition("study__")[2].partition("__")[0] == attribute for word in words):
                return True
    return False


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.default_rng(study.seed)",
        "from numpy.random import RandomState\nRandomState(1)",
        "from numpy import random as r\nr.shuffle([1])",
        "import random\nrandom.Random(study.pk).shuffle([1])",
        "import random\nrandom.shuffle([1])",
        "from random import Random as R\nR('golden 1')",
        "import numpy\nnumpy.random.PCG64(1)",
        "import uuid\nuuid.uuid1()",
        "from uuid import uuid5\nuuid5(space, study.slug)",
    ],
)
def test_a_seeded_draw_would_be_found(source: str) -> None:
    assert seeded(source)


@pytest.mark.parametrize(
    "source",
    [
        "import secrets\nsecrets.token_hex(16)",
        "import random\nrandom.SystemRandom().shuffle([1])",
        "from uuid import UUID, uuid4\nuuid4()",
        "keyed_draws.of(study, 'golden').permutation(9)",
    ],
)
def test_the_systems_randomness_and_keyed_draws_may_be(source: str) -> None:
    assert not seeded(source)


def test_a_hash_of_what_is_known_would_be_found() -> None:
    assert unkeyed('import hashlib\nhashlib.sha256(f"{study.slug} {content_hash}".encode())')
    assert unkeyed("from hashlib import blake2b\nblake2b(str(self.study.pk).encode())")


# What the draws are


def test_the_construction_is_the_documented_one() -> None:
    key = hmac.digest(hmac.digest(SECRET, b"dealing", "sha256"), b"5:order1:33:R07", "sha256")
    ours = keyed_draws.by_key(keyed_draws.dealing_key(SECRET), "order", 3, "R07")
    for call in range(3):
        words = hashlib.shake_256(key + call.to_bytes(8, "little")).digest(8 * 5)
        numbers = [int.from_bytes(words[start : start + 8], "little") for start in range(0, 40, 8)]
        assert ours.permutation(5).tolist() == sorted(range(5), key=lambda n: numbers[n])


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_no_two_purposes_read_alike(one: list[str], other: list[str]) -> None:
    first, second = (keyed_draws.by_key(SECRET, *purpose).permutation(30).tolist() for purpose in (one, other))
    assert (first == second) == (one == other)


def streams() -> dict[str, Draws]:
    """Return draws that differ in one thing: purpose, act, reader, or the secret by one bit."""
    flipped = bytes([SECRET[0] ^ 1]) + SECRET[1:]
    keys = {"secret": SECRET, "one bit": flipped, "the secret backwards": SECRET[::-1]}
    purposes = [("order", 0, "R01"), ("order", 0, "R02"), ("order", 1, "R01"), ("rest", 0, "R01"), ("golden",)]
    return {
        f"{name} {purpose}": keyed_draws.by_key(keyed_draws.dealing_key(key), *purpose)
        for name, key in keys.items()
        for purpose in purposes
    }


def test_draws_of_different_purposes_readers_and_secrets_are_independent() -> None:
    numbers = np.array([draw.random_sample(4000) for draw in streams().values()])
    between = np.corrcoef(numbers)[np.triu_indices(len(numbers), 1)]
    assert np.abs(between).max() < 5 / np.sqrt(4000)  # standard errors
    assert np.abs(numbers.mean(axis=1) - 0.5).max() < 5 * np.sqrt(1 / 12 / 4000)


def test_every_place_is_as_likely() -> None:
    draw = Draws(SECRET)
    places = np.array([draw.permutation(5) for _ in range(4000)])
    counts = np.array([np.bincount(column, minlength=5) for column in places.T])
    assert np.abs(counts - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)
    assert np.bincount(draw.randint(3, 7, 4000)).tolist()[:3] == [0, 0, 0]


# Studies


def test_the_seed_of_fits_tells_nothing_of_the_secret(db: None) -> None:
    one, other = (studies.create(slug=slug, title=slug, seed=2019) for slug in ("one", "other"))
    assert one.seed == other.seed
    assert bytes(one.secret) != bytes(other.secret)
    assert len(bytes(one.secret)) == 32
    orders = [keyed_draws.of(study, "order", 0, "R01").permutation(50).tolist() for study in (one, other)]
    assert orders[0] != orders[1]
    assert export.image_code(one, "a" * 64) != export.image_code(other, "a" * 64)


def test_codes_do_not_follow_from_what_a_promise_opens(db: None) -> None:
    """An opened dealing key deals again, and leads to no code."""
    study = Study.objects.create(slug="one", title="One", secret=SECRET)
    other = Study.objects.create(slug="other", title="Other", secret=keyed_draws.dealing_key(SECRET))
    assert keyed_draws.code(study, "image a") != keyed_draws.code(other, "image a")
    assert (
        keyed_draws.code(study, "image a") == keyed_draws.code(study, "image a") != keyed_draws.code(study, "image b")
    )
