"""Features of all that a reader receives of one image, by channel. [core]

A trait is a number, or a text that counts as a category. A channel is one road on which a class could show.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import pairwise
from statistics import median
from typing import Any
from uuid import UUID

from labeler.blinding_audit import webp

Trait = float | str
Traits = dict[str, Trait]

CHANNELS = ("url", "page", "headers", "cookies", "size", "encoding", "metadata", "order", "time")
INTERVALS = range(2, 51)  # positions apart: a fixed interval within them shows
OWN_INTERVALS = range(2, 13)  # the same where each list begins elsewhere
PUBLIC_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LENGTH = "content-length"  # the picture's bytes: told by the channel size


@dataclass(frozen=True)
class Answer:
    """What came back for one request. Headers in their order, names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[str, ...]  # as in Set-Cookie
    body: bytes
    seconds: float


@dataclass
class Received:
    """All that one reader received of one image of their list."""

    public_id: UUID
    address: str
    position: int
    length: int  # images in the list
    card: Mapping[str, Any] | None = None  # None where the list no longer tells it
    page: str | None = None  # the page it was on the screen of
    answers: dict[str, Traits] = field(default_factory=dict)  # channel -> traits, of the first read of each size
    seconds: dict[str, list[float]] = field(default_factory=dict)  # size -> one per read
    lengths: dict[str, int] = field(default_factory=dict)  # size -> bytes

    def take(self, size: str, answer: Answer) -> None:
        """Remember an answer to a request for the image in this size; its bytes are looked at once."""
        self.seconds.setdefault(size, []).append(answer.seconds)
        for channel, traits in _of_answer(size, answer, is_first=size not in self.lengths).items():
            self.answers.setdefault(channel, {}).update(traits)
        self.lengths.setdefault(size, len(answer.body))


def of_list(received: Sequence[Received], reader: str) -> list[dict[str, Traits]]:
    """Return channel -> traits for each image of one reader's list, given in the list's order."""
    runs = _runs(["/".join(str(length) for length in one.lengths.values()) for one in received])
    return [
        {channel: {} for channel in CHANNELS}
        | one.answers
        | {
            "url": _of_url(one),
            "page": _of_page(one),
            "time": _of_time(one),
            "order": _of_order(one, reader) | {"run": run},
        }
        for one, run in zip(received, runs, strict=True)
    ]


def _of_url(one: Received) -> Traits:
    number = one.public_id.int
    bits: Traits = {f"bit {place}": float(number >> place & 1) for place in range(128)}
    octets: Traits = {f"byte {place}": float(octet) for place, octet in enumerate(one.public_id.bytes)}
    shape = PUBLIC_ID.sub("ID", one.address)
    return bits | octets | {"number": number / 2**128, "shape": shape, "length": float(len(one.address))}


def _of_page(one: Received) -> Traits:
    traits: Traits = {}
    if one.card is not None:
        traits = {"keys": " ".join(one.card)}
        for key, value in one.card.items():
            traits |= _of_value(f"card {key}", value)
    if one.page is not None:
        blank = PUBLIC_ID.sub("ID", one.page)
        traits |= {"tags": float(blank.count("<")), "classes": " ".join(re.findall(r'class="([^"]*)"', blank))}
    return traits


def _of_value(name: str, value: object) -> Traits:
    traits: Traits = {f"{name} type": type(value).__name__}
    if isinstance(value, int | float):
        return traits | {name: float(value)}
    text = PUBLIC_ID.sub("ID", str(value))
    return traits | {name: text, f"{name} length": float(len(str(value)))}


def _of_time(one: Received) -> Traits:
    traits: Traits = {}
    for size, seconds in one.seconds.items():
        later = seconds[1:] or seconds
        middle = median(later)
        traits |= {f"{size} first": seconds[0], f"{size} median": middle, f"{size} least": min(seconds)}
        traits |= {f"{size} first against later": seconds[0] - middle}
    total = [median(seconds) for seconds in one.seconds.values()]
    return traits | {"all sizes": sum(total)} if total else traits


def _of_order(one: Received, reader: str) -> Traits:
    traits: Traits = {"position": float(one.position), "third": f"{3 * (one.position - 1) // max(one.length, 1)}"}
    traits |= {f"position mod {k}": f"{one.position % k}" for k in INTERVALS}
    return traits | {f"position mod {k} of a list": f"{reader} {one.position % k}" for k in OWN_INTERVALS}


def _runs(looks: Sequence[str]) -> list[float]:
    """Return for each place how many of the ones just before look the same."""
    runs = [0.0] if looks else []
    for before, now in pairwise(looks):
        runs.append(runs[-1] + 1 if before == now else 0.0)
    return runs


def _of_answer(size: str, answer: Answer, *, is_first: bool) -> dict[str, Traits]:
    read = size if is_first else f"{size} again"
    told = {
        "headers": _of_headers(read, answer),
        "cookies": _of_cookies(read, answer.cookies),
    }
    if not is_first:
        return told
    return told | {
        "size": {f"{size} bytes": float(len(answer.body)), **_told_length(size, answer.headers)},
        "encoding": _of_encoding(size, answer.body),
        "metadata": _of_metadata(size, answer.body),
    }


def _of_headers(read: str, answer: Answer) -> Traits:
    traits: Traits = {f"{read} status": str(answer.status)}
    traits[f"{read} names"] = " ".join(name for name, _ in answer.headers)
    for name, value in answer.headers:
        if name == LENGTH:
            continue
        text = PUBLIC_ID.sub("ID", value)
        traits |= {f"{read} {name}": text, f"{read} {name} length": float(len(value))}
        traits |= _numbers(f"{read} {name}", text)
    return traits


def _numbers(name: str, text: str) -> Traits:
    """Return the number or the time in a header's value: ages, counters and dates tell by their size."""
    try:
        return {f"{name} number": float(text)}
    except ValueError:
        pass
    try:
        return {f"{name} time": parsedate_to_datetime(text).timestamp()} if name.endswith("modified") else {}
    except ValueError:
        return {}


def _told_length(size: str, headers: Iterable[tuple[str, str]]) -> Traits:
    return {f"{size} told": float(value) for name, value in headers if name == LENGTH and value.isdecimal()}


def _of_cookies(read: str, cookies: Sequence[str]) -> Traits:
    traits: Traits = {f"{read} cookies": float(len(cookies))}
    for cookie in cookies:
        pair, _, attributes = cookie.partition(";")
        name, _, value = pair.partition("=")
        traits |= {f"{read} {name}": value, f"{read} {name} length": float(len(value))}
        traits |= {f"{read} {name} attributes": re.sub(r"expires=[^;]*", "expires", attributes.lower())}
    return traits


def _of_encoding(size: str, body: bytes) -> Traits:
    parts = webp.chunks(body)
    traits: Traits = {f"{size} layout": " ".join(part.name for part in parts) or "not a WebP"}
    coded = webp.lossy(body)
    if coded is None:
        return traits
    for name in ("profile", "filter_level", "sharpness", "partitions", "quantizer"):
        traits[f"{size} {name}"] = float(getattr(coded, name))
    return traits | {f"{size} segment {n}": float(value) for n, value in enumerate(coded.segments)}


def _of_metadata(size: str, body: bytes) -> Traits:
    """Return what lies in the file beside the picture, and behind its end."""
    beside = [part for part in webp.chunks(body) if part.name not in webp.PICTURE_CHUNKS]
    told = int.from_bytes(body[4:8], "little") + 8
    return {
        f"{size} beside": " ".join(part.name for part in beside),
        f"{size} bytes beside": float(sum(len(part.data) for part in beside)),
        f"{size} bytes behind": float(len(body) - told),
    }
