"""Slots for the messages of one import: at most so many circulate, however often workers are called.

A message that sends itself on takes its seat with it. Where one was lost, its seat is soon free for another. One that
was only late has its seat again, or finds it taken, and ends: so there are never more than seats.
"""

import secrets

from django.core.cache import cache

SEATS = 16  # an installation seldom gives more processes to an import
SLOT_SECONDS = 60  # seconds without a turn, and the next message that comes may have the seat


def take(what: str, ticket: str = "") -> str:
    """Return the ticket of a message's seat: of its own, or of a free one; nothing where there is none for it."""
    if ticket:
        name = _name(what, ticket)
        return ticket if cache.add(name, ticket, SLOT_SECONDS) or cache.get(name) == ticket else ""
    tickets = (f"{number}-{secrets.token_hex(8)}" for number in range(SEATS))
    return next((one for one in tickets if cache.add(_name(what, one), one, SLOT_SECONDS)), "")


def keep(what: str, ticket: str) -> None:
    """The message goes round once more."""
    cache.set(_name(what, ticket), ticket, SLOT_SECONDS)


def leave(what: str, ticket: str) -> None:
    """The message ends."""
    cache.delete(_name(what, ticket))


def _name(what: str, ticket: str) -> str:
    return f"seat:{what}:{ticket.partition('-')[0]}"
