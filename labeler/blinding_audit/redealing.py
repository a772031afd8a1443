"""What one reader can infer when lists change under them, measured on a study made for it that nobody keeps.

The study is made, dealt, graded and changed by the product's own code in one transaction that is taken back at the end.
The reader is given more than a page tells: the public ids of the whole list, in order, before a change and after it.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import transaction

from labeler.blinding_audit.blinding_audit import Verdict
from labeler.blinding_audit.reconstruction import tail
from labeler.dealing import folds, joining_and_leaving, new_images
from labeler.dealing.folds import Design
from labeler.golden_set import golden_draw
from labeler.models import Image, Reader, Study, User
from labeler.studies import studies

READERS, ORDINARY, GOLDEN, REPEATS = 4, 320, 60, 10
GRADED = 30  # of each list before the first change; further ones between two
BETWEEN = 10
SURE = 1e-4  # chances below are a leak: each audit asks some 50 times
SECRET = b"a study that is never kept: 32 b"


@dataclass(frozen=True)
class Card:
    """One image that is still to grade: what its reader could know it by, and the truth."""

    public_id: str
    is_golden: bool


@dataclass(frozen=True)
class Inference:
    """How well a rule names ordinary images after a change: the share that is, and that of all that is to grade."""

    change: str
    rule: str
    verdict: Verdict
    named: int
    precision: float | None
    base: float
    golden_before: float  # share of what the readers had still to grade
    golden_after: float


Cards = list[Card]
Rule = Callable[[Cards, Cards], Cards]
Change = Callable[[Study], object]


def _told_anew(before: Cards, after: Cards) -> Cards:
    known = {card.public_id for card in before}
    return [card for card in after if card.public_id not in known]


def _at_the_end(before: Cards, after: Cards) -> Cards:
    return after[min(len(before), len(after)) :]


def _right_behind_what_stayed(before: Cards, after: Cards) -> Cards:
    new = {card.public_id for card in _told_anew(before, after)}
    more = max(len(after) - len(before), 0)
    start = next((place for place, card in enumerate(after) if card.public_id in new), len(after))
    return after[start : start + more]


def _where_another_stood(before: Cards, after: Cards) -> Cards:
    """Return the cards at whose place another id was told before."""
    return [card for place, card in enumerate(after) if place >= len(before) or before[place] != card]


RULES: dict[str, Rule] = {
    "not told before": _told_anew,
    "at the end": _at_the_end,
    "right behind what stayed": _right_behind_what_stayed,
    "where another stood": _where_another_stood,
}


def leave(study: Study) -> object:
    return joining_and_leaving.leave(reader=study.readers.filter(left_at=None)[0], reason="Measured and taken back")


def join(study: Study) -> object:
    return joining_and_leaving.join(study=study, user=_user())


def add_images(study: Study) -> object:
    make_images(study, ORDINARY // 4)
    return new_images.add_images(study=study)


CHANGES: dict[str, Change] = {"a reader leaves": leave, "a reader joins": join, "images are added": add_images}


def measure(changes: Sequence[tuple[str, Change]] = tuple(CHANGES.items())) -> list[Inference]:
    """Return how well each rule does after each of these changes, one after the other. Nothing is kept."""
    with _taken_back():
        study = _study()
        _grade(study, GRADED)
        found: list[Inference] = []
        for name, change in changes:
            before = _told(study)
            change(study)
            after = _told(study)
            found += _judge(name, [(before[reader], after[reader]) for reader in before if after.get(reader)])
            _grade(study, BETWEEN)
        return found


@contextmanager
def _taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _judge(change: str, views: Sequence[tuple[Cards, Cards]]) -> Iterator[Inference]:
    """Yield what each rule names, all readers together, against all that they have still to grade."""
    before = [card for view, _ in views for card in view]
    cards = [card for _, view in views for card in view]
    ordinary = sum(not card.is_golden for card in cards)
    for rule, names in RULES.items():
        named = [card for old, new in views for card in names(old, new)]
        hits = sum(not card.is_golden for card in named)
        is_told = bool(named) and tail(len(cards), ordinary, len(named), hits) < SURE
        yield Inference(
            change,
            rule,
            Verdict.LEAK if is_told else Verdict.BLIND,
            len(named),
            hits / len(named) if named else None,
            ordinary / len(cards),
            _golden_share(before),
            _golden_share(cards),
        )


def _golden_share(cards: Cards) -> float:
    return sum(card.is_golden for card in cards) / len(cards)


def _told(study: Study) -> dict[str, Cards]:
    return {reader.code: to_grade(reader) for reader in study.readers.filter(left_at=None)}


def to_grade(reader: Reader) -> Cards:
    waiting = reader.assignments.filter(is_done=False, withdrawn_in=None).order_by("position")
    told = waiting.values_list("public_id", "image__is_golden")
    return [Card(str(public_id), is_golden) for public_id, is_golden in told]


def _study() -> Study:
    name = f"measured-{secrets.token_hex(8)}"
    study = studies.create(slug=name, title="Measured and taken back", is_simulated=True, secret=SECRET)
    for _ in range(READERS):
        studies.add_reader(study=study, user=_user(), is_simulated=True)
    make_images(study, ORDINARY + GOLDEN)
    golden_draw.draw(study=study, size=GOLDEN)
    study.refresh_from_db()
    folds.deal(study=study, design=Design(repeats=REPEATS))
    study.refresh_from_db()
    return study


def _user() -> User:
    return User.objects.create_user(f"measured-{secrets.token_hex(8)}")


def make_images(study: Study, number: int) -> None:
    begun = study.images.count()
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{begun + n:064x}", source_name=f"{begun + n}.jpg", width=3, height=4)
        for n in range(number)
    )


def _grade(study: Study, number: int) -> None:
    """Let each reader's next images be done: what is measured depends on no label."""
    for reader in study.readers.filter(left_at=None):
        following = reader.assignments.filter(is_done=False, withdrawn_in=None).order_by("position")[:number]
        reader.assignments.filter(pk__in=list(following.values_list("pk", flat=True))).update(is_done=True, version=1)
