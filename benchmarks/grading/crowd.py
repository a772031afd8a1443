"""Readers by the hundred, run by locust in a process of its own: gevent patches this one and none of ours.

    python -m benchmarks.grading.crowd plan.json

`load` writes the plan and reads what is printed: "measuring" when the warm-up is over, "over" when the readers stop
grading, and a line of JSON when their outboxes are empty.
"""

import json
import random
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gevent
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

AHEAD = 4  # images that the page has fetched: the one on the screen and three ahead
PATIENCE = 20.0  # seconds until a request without an answer is given up, as the page does
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0  # seconds until the page sends again what was not taken
RETRY = 2.0  # seconds until an image that did not come is asked for again
SPREAD = 0.4  # of think times, in logarithms: one in ten is longer than 1.7 times the usual one
UNDO_EVERY = 25  # acts
LONGEST_DRAIN = 120.0  # seconds that outboxes are given at the end
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
JSON = {"Content-Type": "application/json", "Accept": "application/json"}

plan: dict[str, Any] = {}
people: deque[tuple[int, dict[str, str]]] = deque()
crowd: list["Person"] = []
seen: list[tuple[float, str, int, float]] = []  # when it began, what was asked, status (0: no answer), ms
waits: list[tuple[float, float]] = []  # when a grade was given, ms until the next image was there
acknowledged: list[tuple[str, str, int | None]] = []  # submission, assignment, grade; none: taken back
refused: list[int] = []
given = 0
is_over = False


class Person(FastHttpUser):
    """Somebody signed in."""

    abstract = True
    network_timeout = connection_timeout = PATIENCE

    def on_start(self) -> None:
        crowd.append(self)
        number, self.headers = people.popleft()
        self.chance = random.Random(f"{plan['seed']} {number}")  # noqa: S311  a pace, not a secret
        self.client.client.redirect_response_codes = frozenset()  # type: ignore[misc]
        gevent.sleep(self.chance.uniform(0, max(plan["think"], 1)))  # nobody begins in the same moment

    def ask(
        self, what: str, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        """Return the answer, whatever it is; its status is 0 where there is none."""
        began = time.time()
        answer = self.client.request(method, path, name=what, data=body or None, headers=self.headers | (headers or {}))
        seen.append((began, what, answer.status_code, 1000 * (time.time() - began)))
        return answer

    def think(self) -> None:
        self.pause(plan["think"] * self.chance.lognormvariate(-(SPREAD**2) / 2, SPREAD))

    def pause(self, seconds: float) -> None:
        """Wait, and go home where the round is over meanwhile."""
        gevent.sleep(seconds)
        if is_over:
            raise StopUser

    @property
    def unsettled(self) -> int:
        return 0


class OurReader(Person):
    """The grading page: images are fetched ahead, and acts wait in an outbox until the server has settled them."""

    def on_start(self) -> None:
        super().on_start()
        self.outbox: deque[tuple[str, dict[str, Any], float]] = deque()
        self.pictures: set[str] = set()
        self.ahead: list[dict[str, Any]] = []
        self.back: list[dict[str, Any]] = []
        self.sender = self.fetcher = gevent.spawn(lambda: None)

    @property
    def unsettled(self) -> int:
        return len(self.outbox)

    def begin_again(self) -> None:
        """Ask what is to be graded, once the server knows what waits here."""
        self.sender.join()
        answer = self.ask("queue", "GET", f"{plan['read']}queue/")
        if answer.status_code != 200:
            self.pause(RETRY)
            return
        self.ahead, self.back = json.loads(answer.content)["upcoming"], []
        if not self.ahead:
            raise StopUser

    @task
    def grade(self) -> None:
        if not self.ahead:
            self.begin_again()
            return
        card = self.ahead[0]
        while not self.fetch(card):
            self.pause(RETRY)
        self.prefetch()
        self.think()
        if self.back and self.chance.randrange(UNDO_EVERY) == 0:
            self.undo()
        else:
            self.give(card)

    def give(self, card: dict[str, Any]) -> None:
        global given  # noqa: PLW0603  one process, one crowd
        given += 1
        pressed = time.time()
        self.ahead.pop(0)
        self.back.append(card)
        after = self.ahead[-1]["id"] if self.ahead else ""
        fields = {"version": card["version"], "grade": self.chance.randint(1, 5), "visible_ms": 2000}
        self.send(card["label"], card, fields | {"after": after})
        if self.ahead and self.fetch(self.ahead[0]):
            waits.append((pressed, 1000 * (time.time() - pressed)))

    def undo(self) -> None:
        card = self.back.pop()
        self.send(card["undo"], card, {"version": card["version"] + 1})
        self.ahead.insert(0, card | {"version": card["version"] + 2})

    def send(self, path: str, card: dict[str, Any], fields: dict[str, Any]) -> None:
        submission = {"submission": str(uuid.uuid4()), "id": card["id"]}
        self.outbox.append((path, submission | fields, time.time()))
        if self.sender.dead:
            self.sender = gevent.spawn(self.send_all)

    def send_all(self) -> None:
        wait = FIRST_WAIT
        while self.outbox:
            path, fields, since = self.outbox[0]
            body = urlencode({name: value for name, value in fields.items() if name != "id"})
            waited = {"X-Waited-Ms": str(int(1000 * (time.time() - since)))}
            answer = self.ask("submit", "POST", path, body, FORM | waited)
            if answer.status_code in {0, 302, 403, 404, 429} or answer.status_code >= 500:
                least = float((answer.headers or {}).get("Retry-After") or 0)
                gevent.sleep(max(wait, least))
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            wait = FIRST_WAIT
            self.outbox.popleft()
            self.settle(answer, fields)

    def settle(self, answer: Any, fields: dict[str, Any]) -> None:
        if answer.status_code != 200:
            refused.append(answer.status_code)
            return
        acknowledged.append((fields["submission"], fields["id"], fields.get("grade")))
        known = {card["id"] for card in [*self.ahead, *self.back]}
        self.ahead += [card for card in json.loads(answer.content)["upcoming"] if card["id"] not in known]

    def prefetch(self) -> None:
        if self.fetcher.dead:
            self.fetcher = gevent.spawn(lambda: [self.fetch(card) for card in self.ahead[:AHEAD]])

    def fetch(self, card: dict[str, Any]) -> bool:
        if card["id"] not in self.pictures:
            answer = self.ask("image", "GET", f"{card['image']}?size=1600")
            if answer.status_code == 200 and answer.content:
                self.pictures.add(card["id"])
        return card["id"] in self.pictures


class LabelStudioReader(Person):
    """Label Studio's page: submit, ask for the next task, fetch its image."""

    current = 0

    @task
    def grade(self) -> None:
        global given  # noqa: PLW0603  as above
        if not self.current:
            self.next()
        self.think()
        given += 1
        pressed = time.time()
        choice = {"from_name": "grade", "to_name": "image", "type": "choices", "value": {"choices": ["3"]}}
        body = json.dumps({"result": [choice], "lead_time": 2.0})
        path = f"/api/tasks/{self.current}/annotations/?project={plan['project']}"
        self.insist("submit", "POST", path, body)
        acknowledged.append(("", str(self.current), 3))
        self.next()
        waits.append((pressed, 1000 * (time.time() - pressed)))

    def next(self) -> None:
        found = json.loads(self.insist("queue", "GET", f"/api/projects/{plan['project']}/next").content)
        self.current = found["id"]
        self.insist("image", "GET", found["data"]["image"])

    def insist(self, what: str, method: str, path: str, body: str = "") -> Any:
        """Ask until it is answered, as a reader who presses again."""
        while True:
            answer = self.ask(what, method, path, body, JSON)
            if 200 <= answer.status_code < 300:
                return answer
            self.pause(RETRY)


KINDS = {"ours": OurReader, "Label Studio": LabelStudioReader}


def main() -> None:
    global is_over
    plan.update(json.loads(Path(sys.argv[1]).read_text()))
    people.extend(enumerate(plan["people"]))
    environment = Environment(user_classes=[KINDS[plan["system"]]], host=plan["host"])
    runner = environment.create_local_runner()
    runner.start(len(people), spawn_rate=len(people))
    gevent.sleep(plan["warm_up"])
    print("measuring", flush=True)
    begin = time.time()
    gevent.sleep(plan["seconds"])
    end, is_over = time.time(), True
    print("over", flush=True)
    unsettled = _drain()
    runner.quit()
    print(json.dumps(_found(begin, end) | {"unsettled": unsettled}), flush=True)


def _drain() -> int:
    """Wait until every outbox is empty; return how many acts are in them at the end."""
    deadline = time.time() + LONGEST_DRAIN
    while (unsettled := sum(person.unsettled for person in crowd)) and time.time() < deadline:
        gevent.sleep(0.2)
    return unsettled


def _found(begin: float, end: float) -> dict[str, Any]:
    """Return what began while it was measured; acknowledged is what was so from the first moment to the last."""
    return {
        "requests": [request[1:] for request in seen if begin <= request[0] < end],
        "waits": [ms for pressed, ms in waits if begin <= pressed < end],
        "acknowledged": acknowledged,
        "refused": refused,
        "given": given,
        "seconds": end - begin,
    }


if __name__ == "__main__":
    main()
