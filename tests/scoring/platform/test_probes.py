"""What probes are told, and what of it stands in the log."""

import logging
import threading
from collections.abc import Callable

import pytest

from scoring.platform.probes import READY, Health, NotReadyError, Seldom


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
    with caplog.at_level(logging.INFO, logger="scoring.platform.probes"):
        cold = {probe(health) for _ in range(3)}
        warm.append(True)
        ready = {probe(health) for _ in range(3)}
    assert (cold, ready) == ({"503 Service Unavailable"}, {"200 OK"})
    assert caplog.messages == ["Not ready: {'weights': 'warming up'}", "Ready"]


def test_what_costs_something_is_asked_seldom_and_said_meanwhile() -> None:
    asked = []

    def fail() -> None:
        asked.append("once")
        raise NotReadyError("does not answer")

    check = Seldom(fail, seconds=3600)
    for _ in range(3):
        with pytest.raises(NotReadyError, match="does not answer"):
            check()
    assert asked == ["once"]
    often = Seldom(fail, seconds=0)
    for _ in range(2):
        with pytest.raises(NotReadyError):
            often()
    assert asked == ["once"] * 3


def test_what_is_stuck_holds_up_no_probe_and_is_not_asked_again_meanwhile() -> None:
    asked, freed = [], threading.Event()

    def stick() -> None:
        asked.append("once")
        freed.wait(60)

    check = Seldom(stick, seconds=0, patience=0.01)
    for _ in range(3):
        with pytest.raises(NotReadyError, match="has not answered yet"):
            check()
    assert asked == ["once"]
    freed.set()
    patient = Seldom(stick, seconds=0, patience=60)
    patient()
