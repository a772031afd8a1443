"""A worker that is killed at a step of its job: python -m tests.faults.doomed, one order a line, answered in one line.

A step is whatever outlives the process: a statement that changes the database, or a change of a file. They are found
by watching, so a job that gets another stage is killed there too. Each order is done by a process of its own, forked
from this one, which has everything imported, the models loaded, and nothing begun.
"""

import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django

WRITES = os.O_WRONLY | os.O_RDWR
CHANGES = {"os.rename", "os.remove", "os.chmod"}
LOADED = ("onnxruntime", "dlib", "sklearn.linear_model", "sklearn.neural_network", "labeler.tasks", "training.tasks")


class Watch:
    """Writes down every step, and kills this process at one: so many after the first that contains some words."""

    def __init__(self, *, words: str, more: int, folders: tuple[str, ...], on_step: Callable[[str], None]) -> None:
        self.words, self.more, self.folders, self.on_step = words, more, folders, on_step
        self.is_near = False

    def begin(self) -> None:
        from django.db import connection

        sys.addaudithook(self._see_file)
        connection.execute_wrappers.append(self._see_statement)

    def _step(self, what: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a lease is renewed whenever its time comes
        self.on_step(what)
        self.is_near = self.is_near or self.words in what
        if self.is_near:
            if self.more == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.more -= 1

    def _see_statement(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        result = execute(sql, parameters, many, context)
        verb, *rest = sql.split(maxsplit=3)
        if verb in {"INSERT", "UPDATE", "DELETE"} or "labeler_erase_notes" in sql:
            stage = parameters[0] if verb == "UPDATE" and 'SET "stage"' in sql else ""
            self._step(f"{verb} {' '.join(rest[:2])} {stage}")
        return result

    def _see_file(self, event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES)
        if changes and str(arguments[0]).startswith(self.folders) and not Path(arguments[0]).is_dir():
            self._step(f"{event} {arguments[0]}")


def main() -> None:
    django.setup()
    for module in LOADED:
        import_module(module)
    _load_models()
    sys.modules["labeler.tasks"].TURN = math.inf  # type: ignore[attr-defined]  # an order is done to its end
    for line in sys.stdin:
        print(json.dumps(_do(json.loads(line))), flush=True)  # noqa: T201  it is what the test reads


def _load_models() -> None:
    """Load once what takes every process seconds."""
    from django.conf import settings

    from scoring.network import cpu_cores, embedder, torch_network
    from scoring.photograph import faces
    from scoring.weights import weight_files

    faces._dlib_models()
    if not torch_network.has_gpu():
        os.environ["EMBEDDING_PROCESSES"] = str(cpu_cores.usable())  # one thread: others would be lost by the fork
        embedder._load(settings.BACKBONE, weight_files.backbone_sha256(settings.BACKBONE))


def _do(order: dict[str, Any]) -> dict[str, Any]:
    """Have an order done; return its steps, and how its process ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        with os.fdopen(writing, "w") as steps:
            _obey(order, lambda what: print(json.dumps(what), file=steps, flush=True))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as steps:
        seen = [json.loads(line) for line in steps]
    _, status = os.waitpid(pid, 0)
    return {"steps": seen, "ended": os.waitstatus_to_exitcode(status)}


def _obey(order: dict[str, Any], on_step: Callable[[str], None]) -> None:
    from django.conf import settings

    settings.MEDIA_ROOT = order["media"]
    folders = (str(order["media"]), str(Path(settings.VAR_DIR) / "uploads"))
    module, _, name = order["task"].rpartition(".")
    task = getattr(import_module(module), name)
    Watch(words=order["words"], more=order["more"], folders=folders, on_step=on_step).begin()
    try:
        task(*order["arguments"])
    except BaseException:  # noqa: BLE001  as in a worker, which tells its log and goes on
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
