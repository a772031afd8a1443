"""Anchors: the newest block of each chain, written down outside of the database (setting LEDGER_ANCHORS).

A person who can change the whole database can compute every chain anew; the hashes that stand elsewhere no longer fit
then. So they do not when a database was restored from an older backup, or a chain was cut short.
"""

import json
import logging
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from django.conf import settings

from labeler.platform import database_clock
from labeler.record import ledger

SECONDS = 10  # until an address that does not answer is left for the next time
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")

logger = logging.getLogger(__name__)


def write() -> None:
    """Add the newest blocks to each anchor: a line of JSON to a file, or a POST of it to an address.

    An anchor that fails is logged; the next call writes what is newest then.
    """
    line = json.dumps({"at": ledger.time(database_clock.now()), "newest_blocks": ledger.newest()}, sort_keys=True)
    for anchor in settings.LEDGER_ANCHORS:
        try:
            if _is_address(anchor):
                _post(anchor, line)
            else:
                _append(Path(anchor), line)
        except (OSError, HTTPException) as error:
            logger.error("The ledger's newest blocks could not be written to %s: %s", anchor, error)  # noqa: TRY400


def noted() -> Iterator[str]:
    """Yield the hashes of all blocks that stand in the anchors that are files."""
    for anchor in settings.LEDGER_ANCHORS:
        path = Path(anchor)
        if not _is_address(anchor) and path.exists():
            yield from read(path)


def read(path: Path) -> Iterator[str]:
    """Yield the hashes in a file, whatever else stands there: an anchor, a printed list, a mail."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            yield from DIGEST.findall(line)


def _is_address(anchor: str) -> bool:
    return anchor.startswith("https://")


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _post(address: str, line: str) -> None:
    request = Request(address, line.encode(), {"Content-Type": "application/json"})  # noqa: S310  https, the operator's
    with urlopen(request, timeout=SECONDS):  # noqa: S310
        pass
