"""What probes are told, and what of it stands in the log."""

import logging
from collections.abc import Callable

import pytest

from scoring.health import READY, Health, NotReadyError


def no_page(*_: object) -> list[bytes]:
    """The application behind: probes never reach it."""
    return []


def probe(health: Health) -> str:
    """Return the status that a probe of this process gets."""
    statuses = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[[bytes], object]:
        del headers, exc_info
        statuses.append(status)
        return len

    list(health({"PATH_INFO": READY}, start_response))
    return statuses[0]


@pytest.mark.django_db
def test_a_state_is_logged_when_it_begins_and_not_at_every_probe(caplog: pytest.LogCaptureFixture) -> None:
    warm: list[bool] = []

    def weights() -> None:
        if not warm:
            raise NotReadyError("warming up")

    health = Health(no_page, checks={"weights": weights})
    with caplog.at_level(logging.INFO, logger="scoring.health"):
        cold = {probe(health) for _ in range(3)}
        warm.append(True)
        ready = {probe(health) for _ in range(3)}
    assert (cold, ready) == ({"503 Service Unavailable"}, {"200 OK"})
    assert caplog.messages == ["Not ready: {'weights': 'warming up'}", "Ready"]
