"""Check of a study's facts against its ledger: each as it was sealed last, and each change by an act that may do it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone

from labeler.models import ErasedImage, LedgerBlock, Study
from labeler.record import changes, facts, ledger
from labeler.record.changes import BEGINNING, NOBODY, Change
from labeler.record.facts import Kind

IMAGES_TO_ERASE = b"Z"
LASTING = (facts.ASKED, facts.ERASED)  # in earlier releases: they explained what an erasure did in the background


class Replay:
    """One going through a study's blocks: what each fact was sealed as last, and in which block."""

    def __init__(self, study: Study, *, apart: timedelta) -> None:
        """`apart` is how far, in ledgers of earlier releases, an act's time may be from the change that it explains."""
        self.study, self.apart = study, apart
        self.sealed: dict[tuple[bytes, int], tuple[bytes, int]] = {}
        self.last: LedgerBlock | None = None
        self.had_facts = False  # whether a block before has any: the first one had all that there were then
        self.has_begun = False  # whether blocks have the changes that triggers noted
        self.erasing: dict[str, set[int]] = defaultdict(set)  # an erasure that goes on -> its images
        self._times: dict[str, list[datetime]] | None = None

    def take(self, block: LedgerBlock) -> Iterator[str]:
        """Take up the facts that the next block seals; yield those that were changed while no act says so."""
        said = self._block(block.number)
        states = list(changes.unpacked(ledger.unpacked(block.rows)))
        acts = self._acts({by for by, *_ in states if by is not None}, block)
        for by, kind, key, before, sha256 in states:
            if by is None:
                yield from self._take_undated(kind, key, sha256, block, said)
            elif by == BEGINNING:
                yield from self._begin(kind, key, sha256, block, said)
            else:
                change = Change(by, kind, key, before, None if sha256 == facts.GONE else sha256)
                yield from self._take(change, acts.get(by), block.number, said)
        begins = any(by == BEGINNING for by, *_ in states)
        if begins != block.begins_changes:
            yield f"B{said[1:]} was changed: whether facts begin with it."
        if begins:
            self._go_on_erasing(block)
            self.has_begun = True
        ended = ledger.acts(self.study).filter(action=facts.ERASED, pk__gt=self._until(), pk__lte=block.events_until)
        for detail in ended.values_list("detail", flat=True):
            self.erasing.pop(_erasure(detail), None)
        self.last, self.had_facts = block, bool(self.sealed)

    def compare(self) -> Iterator[str]:
        """Yield the facts that are not as they were sealed last, but for what acts have changed since."""
        if self.last is None or not self.sealed:
            return
        if self.has_begun:
            waiting = changes.waiting(self.study, self.last.events_until)
            acts = self._acts({change.act for change in waiting}, None)
            for change in waiting:
                yield from self._take(change, acts.get(change.act), self.last.number, "the next block")
        for kind in facts.KINDS:
            yield from self._compare(kind)

    def _compare(self, kind: Kind) -> Iterator[str]:
        is_new = not self.has_begun and kind.code not in {code for code, _ in self.sealed}
        is_waiting = not self.has_begun and ledger.acts(self.study).filter(pk__gt=self._until()).exists()
        if is_new or (is_waiting and self.last and self._explains(kind, self.last.sealed_at, timezone.now())):
            return
        now = facts.current(self.study, kind)
        known = {key: seal for (code, key), seal in self.sealed.items() if code == kind.code and seal[0] != facts.GONE}
        for key in sorted(known.keys() & now.keys()):
            if known[key][0] != now[key]:
                block = self._block(known[key][1])
                yield f"{_fact(kind, key)} was changed: it is not what {block} has sealed, and no act says so."
        for key in sorted(now.keys() - known.keys()) if self.has_begun or kind.is_added_by_act else ():
            yield f"{_fact(kind, key)} was added, and no act says so."
        for key in sorted(known.keys() - now.keys()):
            yield f"{_fact(kind, key)} was removed: {self._block(known[key][1])} has it."

    def _take(self, change: Change, act: tuple[str, str] | None, number: int, said: str) -> Iterator[str]:
        """Hold a change against what was sealed before it and against its act: action and detail."""
        code, key = change.kind.code, change.key
        sealed = self.sealed.get((code, key))
        was = sealed[0] if sealed and sealed[0] != facts.GONE else None
        if was != change.before or not self._may(change, act):
            how = f"changed since {self._block(sealed[1])}" if sealed else "added"
            yield f"{_fact(change.kind, key)} was {how}, before {said}, and no act says so."
        self.sealed[code, key] = (change.after or facts.GONE, number)
        if act and code == IMAGES_TO_ERASE:
            self.erasing[_erasure(act[1])].add(key)

    def _may(self, change: Change, act: tuple[str, str] | None) -> bool:
        if change.act != NOBODY:
            return act is not None and act[0] in change.kind.acts
        if change.before is None and not change.kind.is_added_by_act:
            return True
        return change.kind.is_erased and any(change.key in images for images in self.erasing.values())

    def _begin(self, kind: Kind, key: int, sha256: bytes, block: LedgerBlock, said: str) -> Iterator[str]:
        """Take up a fact of the first block that has changes; what earlier releases sealed must be as they did."""
        sealed = self.sealed.get((kind.code, key))
        if self.has_begun or (sealed and sealed[0] != sha256):
            yield f"{_fact(kind, key)} was sealed anew in {said}, and no act says so."
        self.sealed[kind.code, key] = (sha256, block.number)

    def _go_on_erasing(self, block: LedgerBlock) -> None:
        """Know the erasures that were going on when the ledger began to have changes."""
        ended = ledger.acts(self.study).filter(action=facts.ERASED, pk__lte=block.events_until)
        over = {_erasure(detail) for detail in ended.values_list("detail", flat=True)}
        asked = ErasedImage.objects.filter(erasure__study=self.study, erasure__requested_at__lte=block.sealed_at)
        for one in asked.select_related("erasure"):
            if str(one.erasure) not in over:
                self.erasing[str(one.erasure)].add(one.image_id)

    def _take_undated(self, kind: Kind, key: int, sha256: bytes, block: LedgerBlock, said: str) -> Iterator[str]:
        """Take up a fact that an earlier release sealed as it found it: an act of about that time may explain it."""
        if self.has_begun:  # a worker of that release still ran: it says nothing new
            return
        sealed = self.sealed.get((kind.code, key))
        needs_act = sealed is not None or (self.had_facts and kind.is_added_by_act)
        if self.last and needs_act and not self._explains(kind, self.last.sealed_at, block.sealed_at):
            how = f"changed since {self._block(sealed[1])}" if sealed else "added"
            yield f"{_fact(kind, key)} was {how}, before {said}, and no act says so."
        self.sealed[kind.code, key] = (sha256, block.number)

    def _explains(self, kind: Kind, since: datetime, until: datetime) -> bool:
        """Say whether an act that may change a fact of this kind was done between two moments."""
        if self._times is None:
            self._times = defaultdict(list)
            for action, at in ledger.acts(self.study).order_by("at").values_list("action", "at"):
                self._times[action].append(at)
        for action in (*kind.acts, *(LASTING if kind.is_erased else ())):
            times = self._times[action]
            first = 0 if action in LASTING else bisect_left(times, since - self.apart)
            if first < len(times) and times[first] <= until + self.apart:
                return True
        return False

    def _acts(self, ids: set[int], block: LedgerBlock | None) -> dict[int, tuple[str, str]]:
        """Return id -> action and detail of those of these acts that this block seals, or that are not sealed yet."""
        rows = ledger.acts(self.study).filter(pk__in=ids, pk__gt=self._until())
        if block:
            rows = rows.filter(pk__lte=block.events_until)
        return {pk: (action, detail) for pk, action, detail in rows.values_list("pk", "action", "detail")}

    def _until(self) -> int:
        return self.last.events_until if self.last else ledger.LOWEST

    def _block(self, number: int) -> str:
        return f"block {number} of study {self.study.slug}"


def _fact(kind: Kind, key: int) -> str:
    return f"Fact {kind.name} {key}"


def _erasure(detail: str) -> str:
    """Return which erasure an act is about: "erasure 5: 3 images of person 7"."""
    return detail.split(":", 1)[0]
