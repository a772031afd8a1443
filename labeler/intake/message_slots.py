"""Slots for the messages of one import: at most so many circulate, however often workers are called.

A message that sends itself on takes its slot with it. Where one was lost, its slot is soon free for another. One that
was only late has its slot again, or finds it taken, and ends: so there are never more than SLOTS.
"""

import secrets

from django.core.cache import cache

SLOTS = 16  # an installation seldom gives more processes to an import
SLOT_SECONDS = 60  # seconds without a turn, and the next message that comes may have the slot


def take(what: str, ticket: str = "") -> str:
    """Return the ticket of a message's slot: of its own, or of a free one; nothing where there is none for it."""
    if ticket:
        name = _name(what, ticket)
        return ticket if cache.add(name, ticket, SLOT_SECONDS) or cache.get(name) == ticket else ""
    tickets = (f"{number}-{secrets.token_hex(8)}" for number in range(SLOTS))
    return next((one for one in tickets if cache.add(_name(what, one), one, SLOT_SECONDS)), "")


def keep(what: str, ticket: str) -> None:
    """The message goes round once more."""
    cache.set(_name(what, ticket), ticket, SLOT_SECONDS)


def leave(what: str, ticket: str) -> None:
    """The message ends."""
    cache.delete(_name(what, ticket))


def _name(what: str, ticket: str) -> str:
    return f"slot:{what}:{ticket.partition('-')[0]}"
