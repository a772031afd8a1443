"""Preprocessing of a photograph before it is stored: renditions and measures. No database, any process."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process

from django.conf import settings

from labeler.images import renditions
from scoring.photograph import decoding, faces, fingerprints, quality
from scoring.photograph.faces import Upright
from scoring.photograph.quality import Quality

Submit = Callable[[bytes], "Future[Prepared]"]


@dataclass(frozen=True)
class Measures:
    """What a photograph's pixels say of it."""

    quality: Quality
    fingerprint: bytes


@dataclass(frozen=True)
class Prepared:
    """A photograph the right way up: its renditions and measures."""

    turn: int  # quarter turns clockwise from the file as it came
    width: int
    height: int
    renditions: dict[str, bytes]
    measures: Measures


def limits() -> decoding.Limits:
    """Return the largest photograph that studies of this installation take."""
    return decoding.Limits(settings.INTAKE_MAX_BYTES, settings.INTAKE_MAX_PIXELS)


def prepare(data: bytes, limits: decoding.Limits = decoding.STORED, *, turn: int | None = None) -> Prepared:
    """Prepare a photograph, turned by so many quarters, or where that is None, as its face stands.

    Raises images.ImageError, and scoring.weights.weight_files.WeightsError without the landmarks.
    """
    found = faces.upright(decoding.decode(data, limits), turn)
    height, width = found.pixels.shape[:2]
    return Prepared(found.turn, width, height, renditions.render(found.pixels), measure(found))


def measure(found: Upright) -> Measures:
    fingerprint = fingerprints.fingerprint(found.pixels, found.faces)
    return Measures(quality.measure(found.pixels, found.faces), fingerprints.to_bytes(fingerprint))


@contextmanager
def preparing(processes: int) -> Iterator[Submit]:
    """Return what prepares photographs in so many processes beside this one; with one, at once and here."""
    if processes == 1:
        yield _now
        return
    # Started anew, not forked: OpenCV's threads and the database's connection would not survive that.
    with ProcessPoolExecutor(processes, get_context("spawn"), _end_with_parent) as pool:
        try:
            yield lambda data: pool.submit(prepare, data, limits())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _now(data: bytes) -> "Future[Prepared]":
    future: Future[Prepared] = Future()
    try:
        future.set_result(prepare(data, limits()))
    except Exception as error:  # noqa: BLE001  the caller gets it with the result
        future.set_exception(error)
    return future


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent process, and stop when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os._exit(1)
