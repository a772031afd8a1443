"""What window, pace and padding cost an image request: the view as it is, against the same view without them.

    python -m benchmarks.grading.image_requests [--rounds 10] [--requests 200]

Both variants take turns, request by request, in one process, through all middleware, on the image that a reader has to
grade next. What counts is the ratio of their medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks import stage
from benchmarks.grading.next_image import photographs

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.test import Client

    from labeler.models import Assignment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="in which the variants take turns")
    parser.add_argument("--requests", type=int, default=200, help="of each variant in each round")
    options = parser.parse_args()
    with stage.installation():
        client, address, size = _make_reader()
        variants: dict[str, Callable[[], AbstractContextManager[object]]]
        variants = {"as it is": ExitStack, "without": _without()}
        times: dict[str, list[float]] = {name: [] for name in variants}
        ratios = []
        for _ in range(options.rounds):
            taken: dict[str, list[float]] = {name: [] for name in variants}
            for _ in range(options.requests):
                for name, variant in variants.items():
                    with variant():
                        taken[name].append(_seconds(client, address))
            for name, seconds in taken.items():
                times[name] += seconds
            ratios.append(statistics.median(taken["as it is"]) / statistics.median(taken["without"]))
    print(f"A picture of {size // 1000} kB; {options.rounds} rounds in turn of {options.requests} requests each\n")
    for name, seconds in times.items():
        print(f"{name:<10} median {1000 * statistics.median(seconds):.2f} ms")
    print(f"\nratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f} by round)")


def _without() -> Callable[[], AbstractContextManager[object]]:
    """Return what serves the file as it lies in storage, to whoever has the assignment."""
    from labeler.grading import queries, refusals, views, window
    from labeler.images.picture_responses import webp
    from labeler.platform.compiled_queries import CompiledQuery

    def own(**values: Any) -> "QuerySet[Assignment]":
        return queries._own(**values).select_related("reader__study", "image").only(*queries.TO_SHOW)

    load = partial(queries._load, CompiledQuery(own, **queries._EXAMPLE))

    def patched() -> AbstractContextManager[object]:
        stack = ExitStack()
        stack.enter_context(patch.object(window, "get_assignment", load))
        stack.enter_context(patch.object(window, "refusal", lambda assignment, _: refusals.of(assignment)))
        stack.enter_context(patch.object(views, "padded_webp", lambda name, **_: webp(name)))
        return stack

    return patched


def _seconds(client: "Client", address: str) -> float:
    begun = time.perf_counter()
    answer = client.get(address)
    sum(map(len, answer))
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}.")
    return time.perf_counter() - begun


def _make_reader() -> "tuple[Client, str, int]":
    """Return a signed-in reader with 400 images, 10 of them graded, the address of the next and its bytes."""
    from uuid import uuid4

    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.test import Client

    from labeler.grading import label_store, queries
    from labeler.images import renditions
    from scoring.photograph import decoding
    from tests import builders

    user = builders.make_user("reader")
    study = builders.make_study(readers=(user,), images=400, golden_size=40)
    for name, data in renditions.render(decoding.decode(next(photographs(1)))).items():
        default_storage.save(renditions.storage_name("shown", name), ContentFile(data))
    study.images.update(rendition="shown", width=1200, height=1600)
    reader = study.readers.get()
    grade = partial(label_store.record_label, version=0, grade=3)
    for assignment in list(queries.upcoming(reader)[:10]):
        grade(assignment=assignment, submission=uuid4())
    upcoming = queries.upcoming(reader)[0]
    client = builders.sign_in(Client(headers={"host": "localhost"}), user)
    return (
        client,
        f"/read/acne/{upcoming.public_id}/image/",
        default_storage.size(renditions.storage_name("shown", "full")),
    )


if __name__ == "__main__":
    main()
