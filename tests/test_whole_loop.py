"""Import, deal, grade, retrain, report, score: the whole product once, on made selfies, with the real backbone."""

import json
import os
import time
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from demo.selfies import MadeSelfie, read_severities
from labeler.models import Image, Study, User
from tests import builders, processes
from tests.training.builders import quick_training
from training.models import TrainingRun
from training.publication import publishing

CODES = ("R01", "R02", "R03")
PATIENCE = 240  # seconds for a run on a busy machine


def say(*command: str) -> str:
    answer = StringIO()
    call_command(*command, stdout=answer)
    return answer.getvalue()


def grade_everything(user: User, grade_of: dict[str, int]) -> None:
    """Grade the user's whole list through the site, as the page does."""
    client = Client()
    client.force_login(user)
    while upcoming := client.get(reverse("queue", args=["loop"])).json()["upcoming"]:
        for card in upcoming:
            name = Image.objects.get(assignments__public_id=card["id"]).source_name
            act = {"submission": uuid4(), "version": card["version"], "grade": grade_of[name]}
            assert client.post(card["label"], act, headers={"Accept": "application/json"}).status_code == 200


def press_retrain(admin: User) -> TrainingRun:
    client = Client()
    client.force_login(admin)
    client.post(reverse("training:retrain", args=["loop"]))
    return TrainingRun.objects.get()


def wait_for(run: TrainingRun) -> None:
    deadline = time.monotonic() + PATIENCE
    while run.state in {run.State.QUEUED, run.State.RUNNING}:
        assert time.monotonic() < deadline, f"still {run.state}: {run.stage}"
        time.sleep(0.2)
        run.refresh_from_db()


def published_form(grades: dict[str, dict[str, int]], reader: str) -> float:
    """Compute a reader's RMSE from the grades alone, in the words of the paper."""
    names = list(grades[reader])
    consensus = np.mean([[given[name] for name in names] for given in grades.values()], axis=0)
    return float(np.sqrt(np.mean((np.array([grades[reader][name] for name in names]) - consensus) ** 2)))


@pytest.mark.timeout(600)
def test_whole_loop(transactional_db: None, selfies: Path, tmp_path: Path) -> None:
    olga, ana, ben, cem = (builders.make_user(name) for name in ("olga", "ana", "ben", "cem"))
    truth: list[MadeSelfie] = read_severities(selfies)

    say("create_study", "loop", "The whole loop", "--admin", "olga")
    assert f"{len(truth)} imported" in say("import_images", "loop", str(selfies))
    say("add_reader", "loop", "ana")
    say("add_reader", "loop", "ben")
    say("add_reader", "loop", "cem")
    say("draw_golden", "loop", "6")
    say("deal_folds", "loop")
    study = Study.objects.get()

    # cem takes the golden images for the opposite of what they are.
    golden = set(study.images.filter(is_golden=True).values_list("source_name", flat=True))
    seen = {made.file: round(made.severity) for made in truth}
    by_cem = {name: grade if name not in golden else 1 if grade >= 3 else 5 for name, grade in seen.items()}
    for reader, grade_of in ((ana, seen), (ben, seen), (cem, by_cem)):
        grade_everything(reader, grade_of)

    with processes.worker(tmp_path / "worker.log", app="tests.training.quick_worker"):
        run = press_retrain(olga)
        wait_for(run)
    assert run.state == run.State.SUCCEEDED, run.error
    # Six golden images establish nothing, whoever sets the bar: a person has to publish, and says why.
    assert not run.is_published
    assert "a verdict needs 20" in run.conclusion
    publishing.publish(run=run, by=olga, reason="To try the whole loop on a few faces.")

    report = json.loads(say("report", "loop", "--json"))
    grades = {
        code: {name: given[name] for name in golden} for code, given in zip(CODES, (seen, seen, by_cem), strict=True)
    }
    for row in report["readers"]:
        assert row["rmse"]["value"] == pytest.approx(published_form(grades, row["code"]))
        assert row["rmse"]["n"] == 6
        # On complete data of n readers: published = (n - 1) / n x leave one out, exactly.
        assert row["rmse"]["value"] == pytest.approx(2 / 3 * row["rmse_leave_one_out"]["value"])
    machine = report["machine_run"]["machine"]
    assert machine["golden_rmse"]["value"] <= report["bar"]["value"]
    assert sum(map(sum, machine["confusion"])) == 6

    token = say("make_token", "loop", "phone app").strip().splitlines()[-1]
    photograph = selfies / truth[0].file
    answer = score_over_http(photograph, token)
    command = json.loads(say("score", str(photograph), "--json", "--study", "loop"))
    assert answer["score"] == pytest.approx(command["score"], abs=1e-4)
    assert answer["regressor_id"] == report["machine_run"]["regressor_id"]
    assert answer["mode"] in {"landmarks", "one_eye", "whole"}

    with nullcontext() if os.environ.get("LAYERS") == "as published" else quick_training():
        assert "Nothing new" in say("retrain", "loop")


def score_over_http(photograph: Path, token: str) -> dict[str, object]:
    with photograph.open("rb") as file:
        response = Client(headers={"authorization": f"Bearer {token}"}).post("/api/v1/score", {"file": file})
    assert response.status_code == 200, response.content
    answer: dict[str, object] = response.json()
    return answer
