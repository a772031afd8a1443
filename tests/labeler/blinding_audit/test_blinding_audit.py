"""The audit finds nothing in an honest study, and every leak that is planted; and it leaves the study as it was."""

import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from sklearn.metrics import roc_auc_score

from labeler.blinding_audit import blinding_audit, classifier, recordings
from labeler.blinding_audit.blinding_audit import Answer, Photograph, Row, Verdict
from labeler.blinding_audit.features import CHANNELS
from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.grading import label_store
from labeler.models import Assignment, Label, Reader, Study, User
from tests import builders
from tests.labeler.blinding_audit import leaks

IMAGES = 75
GOLDEN = 15  # in each of two lists of 45
SEEDS = (1, 2, 3)


def make_audited_study(*readers: User, folder: Path, seed: int = 1, golden_size: int = GOLDEN) -> Study:
    """Make a dealt study of small photographs, the same for the same seed down to its public ids."""
    study = builders.make_study(f"audited-{seed}", readers=readers)
    Study.objects.filter(pk=study.pk).update(secret=hashlib.sha256(b"of test %d" % seed).digest())
    folder.mkdir()
    files = {f"{n}.jpg": builders.make_jpeg(1000 * seed + n) for n in range(IMAGES)}
    builders.import_photographs(study, files, folder)
    golden_draw.draw(study=study, size=golden_size)
    folds.deal(study=study)
    study.refresh_from_db()
    draw = random.Random(seed)  # noqa: S311  a draw, not a secret
    for assignment in assignments_of(study):
        Assignment.objects.filter(pk=assignment.pk).update(public_id=UUID(int=draw.getrandbits(128), version=4))
    return study


def assignments_of(study: Study) -> list[Assignment]:
    return list(Assignment.objects.filter(reader__study=study).order_by("reader__code", "position"))


def add_repeats(study: Study, *, number: int, seed: int = 1) -> None:
    """Let each reader meet some images twice, at places drawn by lot."""
    draw = random.Random(f"repeats {seed}")  # noqa: S311  a draw, not a secret
    for reader in study.readers.all():
        first = list(reader.assignments.order_by("position"))
        again = [
            Assignment(
                reader=reader, image=one.image, is_repeat=True, public_id=UUID(int=draw.getrandbits(128), version=4)
            )
            for one in draw.sample(first, number)
        ]
        listed = [*first, *again]
        draw.shuffle(listed)
        for position, assignment in enumerate(listed, start=1):
            assignment.position = position
        Assignment.objects.bulk_update(first, ["position"])
        Assignment.objects.bulk_create(again)


def seeded_clock(seed: int) -> Callable[[], float]:
    """Return a clock on which every request takes a while that tells nothing."""
    draw = random.Random(seed)  # noqa: S311  a draw, not a secret
    now = iter(np.cumsum([draw.expovariate(500) for _ in range(20_000)]).tolist())
    return lambda: next(now)


@pytest.fixture
def audited(ana: User, ben: User, tmp_path: Path) -> Study:
    return make_audited_study(ana, ben, folder=tmp_path / "photographs")


def audit(study: Study, **how: object) -> list[Answer]:
    """Audit with just as many permutations as Holm needs for two questions."""
    return blinding_audit.audit(recordings.take(study=study, reads=2, **how).rows, permutations=599)  # type: ignore[arg-type]


def leaking(answer: Answer) -> set[str]:
    return {finding.channel for finding in answer.findings if finding.verdict == Verdict.LEAK}


# The whole site, as it is and with leaks planted


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_study_is_blind_on_every_channel(ana: User, ben: User, tmp_path: Path, seed: int) -> None:
    study = make_audited_study(ana, ben, folder=tmp_path / "photographs", seed=seed)
    add_repeats(study, number=8, seed=seed)
    answers = audit(study, clock=seeded_clock(seed))
    assert [answer.question for answer in answers] == ["golden", "repeat"]
    assert [leaking(answer) for answer in answers] == [set(), set()]
    assert blinding_audit.exit_status(answers) == 0


@pytest.mark.parametrize(
    ("plant", "channels"),
    [
        (leaks.pattern_in_ids, {"url"}),
        (leaks.fixed_interval, {"order"}),
        (leaks.metadata_in_golden, {"metadata"}),
        (leaks.coarser_golden, {"encoding", "size"}),
    ],
)
def test_a_leak_planted_in_the_study_is_caught(
    audited: Study, plant: Callable[[Study], None], channels: set[str]
) -> None:
    plant(audited)
    [answer] = audit(audited, clock=seeded_clock(1))
    assert channels | {blinding_audit.EVERYTHING} <= leaking(answer)


@pytest.mark.parametrize(
    ("middleware", "channel"),
    [("header_on_golden", "headers"), ("cookie_on_golden", "cookies"), ("key_on_golden_cards", "page")],
)
def test_a_leak_planted_in_the_answers_is_caught(
    audited: Study, settings: object, middleware: str, channel: str
) -> None:
    settings.MIDDLEWARE = [f"tests.labeler.blinding_audit.leaks.{middleware}", *settings.MIDDLEWARE]  # type: ignore[attr-defined]
    [answer] = audit(audited, clock=seeded_clock(1))
    assert {channel, blinding_audit.EVERYTHING} == leaking(answer)


def test_a_slower_disk_under_golden_images_is_caught(audited: Study, settings: object) -> None:
    slow = {"BACKEND": "tests.labeler.blinding_audit.leaks.SlowOnGolden"}
    settings.STORAGES = settings.STORAGES | {"default": slow}  # type: ignore[attr-defined]
    [answer] = audit(audited)
    assert "time" in leaking(answer)


def test_a_leak_on_repeats_is_caught(audited: Study, settings: object) -> None:
    add_repeats(audited, number=8)
    settings.MIDDLEWARE = ["tests.labeler.blinding_audit.leaks.header_on_repeats", *settings.MIDDLEWARE]  # type: ignore[attr-defined]
    about_golden, about_repeats = audit(audited, clock=seeded_clock(1))
    assert "headers" in leaking(about_repeats)
    assert "headers" not in leaking(about_golden)


# The capture


def test_a_capture_leaves_nothing_behind(audited: Study, reader_rows: Callable[[], object]) -> None:
    before = reader_rows()
    recordings.take(study=audited, reads=1)
    assert reader_rows() == before


@pytest.fixture
def reader_rows() -> Callable[[], object]:
    """Return a function that reads all that a capture could have written."""
    tables = (Assignment, Label, Reader, User, Session)
    return lambda: [list(table.objects.order_by("pk").values()) for table in tables]


def test_a_capture_sees_also_what_is_graded(audited: Study) -> None:
    first = assignments_of(audited)[0]
    label_store.record_label(assignment=first, version=0, submission=uuid4(), grade=2)
    capture = recordings.take(study=audited, reads=1)
    assert (capture.listed, capture.seen, capture.cards) == (90, 90, 89)


def test_an_image_without_a_file_is_counted(audited: Study) -> None:
    chosen = assignments_of(audited)[0]
    chosen.image.original = chosen.image.rendition = ""
    chosen.image.save(update_fields=["original", "rendition"])
    capture = recordings.take(study=audited, reads=1)
    lists = Assignment.objects.filter(image=chosen.image).count()
    assert (capture.without_file, capture.seen) == (lists, 90 - lists)


def test_fewer_readers_can_be_asked_for(audited: Study) -> None:
    capture = recordings.take(study=audited, readers=1, reads=1)
    assert (capture.readers, capture.readers_in_study, capture.listed) == (1, 2, 45)


def test_a_closed_account_is_named(audited: Study, ben: User) -> None:
    User.objects.filter(pk=ben.pk).update(is_active=False)
    with pytest.raises(recordings.CaptureError, match="answered 302 to reader R02"):
        recordings.take(study=audited)
    assert not Session.objects.exists()


def test_a_running_site_is_asked_over_http(transactional_db: None, live_server: object, tmp_path: Path) -> None:
    readers = builders.make_user("ana"), builders.make_user("ben")
    study = make_audited_study(*readers, folder=tmp_path / "photographs")
    capture = recordings.take(study=study, reads=1, url=live_server.url)  # type: ignore[attr-defined]
    assert capture.seen == 90
    assert all("content-type" in str(row.channels["headers"]["full names"]) for row in capture.rows)


def test_a_site_that_does_not_answer_is_named(audited: Study) -> None:
    with pytest.raises(recordings.CaptureError, match="doesn't answer"):
        recordings.take(study=audited, url="http://127.0.0.1:9")


# The command


def run(study: Study, *arguments: str) -> str:
    out = io.StringIO()
    call_command(
        "audit_blinding",
        study.slug,
        "--repeats-of-read=1",
        "--numbers=20",
        *arguments,
        stdout=out,
        stderr=io.StringIO(),
    )
    return out.getvalue()


def test_the_command_ends_with_1_and_a_sentence_at_a_leak(audited: Study) -> None:
    leaks.metadata_in_golden(audited)
    with pytest.raises(CommandError, match=r"A reader can tell .*golden by metadata") as caught:
        run(audited)
    assert caught.value.returncode == 1


def test_the_command_ends_with_2_where_there_are_too_few(ana: User, tmp_path: Path) -> None:
    study = make_audited_study(ana, folder=tmp_path / "photographs", golden_size=9)
    with pytest.raises(CommandError, match=r"Too few images .*golden: 9 against 66") as caught:
        run(study)
    assert caught.value.returncode == 2


def test_the_command_says_what_it_saw_and_knows(audited: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    take = recordings.take
    monkeypatch.setattr(recordings, "take", lambda **how: take(**how, clock=seeded_clock(1)))
    told = json.loads(run(audited, "--json"))
    assert told["capture"]["seen"] == 90
    [answer] = told["answers"]
    assert [finding["channel"] for finding in answer["findings"]] == [*CHANNELS, "all"]
    assert (told["status"], answer["members"], answer["others"]) == (0, GOLDEN, IMAGES - GOLDEN)


def test_an_undealt_study_is_refused(ana: User) -> None:
    with pytest.raises(CommandError, match="isn't dealt yet"):
        run(builders.make_study(readers=(ana,)))


# The statistics, on rows made for them


def make_rows(seed: int, *, images: int = 120, members: int = 30, readers: int = 4) -> list[Row]:
    """Return rows of a study that is blind by construction: golden images are on every list."""
    draw = np.random.default_rng(seed)
    is_golden = draw.permutation(np.arange(images) < members)
    photographs = [Photograph(900, 1200, int(draw.integers(10**5, 10**6))) for _ in range(images)]
    rows = []
    for reader in range(readers):
        listed = [n for n in range(images) if is_golden[n] or n % readers == reader]
        for position, n in enumerate(draw.permutation(listed), start=1):
            rows.append(
                Row(
                    int(n), photographs[n], bool(is_golden[n]), is_repeated=False, channels=blind_traits(draw, position)
                )
            )
    return rows


def blind_traits(draw: np.random.Generator, position: int) -> dict[str, dict[str, float | str]]:
    order: dict[str, float | str] = {f"mod {k}": str(position % k) for k in range(2, 20)}
    return {channel: {} for channel in CHANNELS} | {
        "order": order | {"position": float(position)},
        "time": {f"time {n}": draw.exponential() for n in range(10)},
    }


def with_trait(row: Row, channel: str, name: str, value: float | str) -> Row:
    return replace(row, channels={**row.channels, channel: {**row.channels[channel], name: value}})


def test_p_values_of_blind_studies_are_spread_evenly() -> None:
    answers = [blinding_audit.audit(make_rows(seed), seed=seed, permutations=99) for seed in range(30)]
    found = [finding for [answer] in answers for finding in answer.findings if finding.channel in {"order", "time"}]
    p_values = np.array([finding.p for finding in found])
    assert 0.4 < p_values.mean() < 0.6
    assert np.mean(p_values <= 0.1) < 0.2  # of 60; expected is a tenth
    assert abs(np.mean([finding.auc for finding in found if finding.auc]) - 0.5) < 0.03


def test_a_channel_in_which_nothing_varies_is_blind_and_says_so() -> None:
    [answer] = blinding_audit.audit(make_rows(1), permutations=99)
    cookies = next(finding for finding in answer.findings if finding.channel == "cookies")
    assert (cookies.auc, cookies.verdict, cookies.reason) == (0.5, Verdict.BLIND, "nothing varies")


def test_half_a_leak_is_caught() -> None:
    rows = make_rows(1)
    told = {row.image for row in rows if row.is_golden and row.image % 2}
    rows = [with_trait(row, "headers", "age", float(row.image in told)) for row in rows]
    [answer] = blinding_audit.audit(rows)
    headers = next(finding for finding in answer.findings if finding.channel == "headers")
    assert headers.verdict == Verdict.LEAK
    assert headers.auc == pytest.approx(0.5 + len(told) / 60, abs=0.05)  # of 30 golden images


def test_what_tells_one_image_from_another_tells_no_class() -> None:
    rows = [with_trait(row, "headers", "etag", f"hash of {row.image}") for row in make_rows(1)]
    [answer] = blinding_audit.audit(rows, permutations=99)
    headers = next(finding for finding in answer.findings if finding.channel == "headers")
    assert headers.reason == "nothing varies"


def test_larger_photographs_among_golden_ones_are_no_leak_of_the_platform() -> None:
    rows = [
        replace(row, photograph=Photograph(900, 1200, row.photograph.size * (9 if row.is_golden else 1)))
        for row in make_rows(1)
    ]
    rows = [with_trait(row, "size", "bytes", float(row.photograph.size // 10)) for row in rows]
    [answer] = blinding_audit.audit(rows)
    assert leaking(answer) == set()
    assert answer.reference is not None
    assert answer.reference.auc is not None
    assert answer.reference.auc > 0.8


def test_nine_golden_images_are_too_few_to_say() -> None:
    answers = blinding_audit.audit(make_rows(1, members=9))
    assert {finding.verdict for finding in answers[0].findings} == {Verdict.TOO_FEW}
    assert blinding_audit.exit_status(answers) == 2


def test_holm_by_hand() -> None:
    assert blinding_audit.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


@pytest.mark.parametrize("splits", [1, 3])
def test_the_area_is_scikit_learns(splits: int) -> None:
    draw = np.random.default_rng(3)
    scores, truth, weights = draw.integers(0, 9, 80).astype(float), draw.random(80) < 0.4, draw.random(80)
    split = draw.integers(0, splits, 80)
    [ours] = classifier.auc(scores, split, (weights * truth)[None], (weights * ~truth)[None])
    areas, pairs = [], []
    for number in range(splits):
        its = split == number
        areas.append(roc_auc_score(truth[its], scores[its], sample_weight=weights[its]))
        pairs.append(weights[its & truth].sum() * weights[its & ~truth].sum())
    assert ours == pytest.approx(np.average(areas, weights=pairs))


def test_a_missing_original_is_named(audited: Study) -> None:
    default_storage.delete(assignments_of(audited)[0].image.original)
    with pytest.raises(recordings.CaptureError, match="lacks the original"):
        recordings.take(study=audited, reads=1)
