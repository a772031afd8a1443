"""Fields that every log line carries: request id, reader code, task id. Never a name or a face."""

import logging
from contextvars import ContextVar

from celery import current_task

from scoring.platform import request_ids

reader: ContextVar[str] = ContextVar("reader", default="")


class InLog(logging.Filter):
    """Gives a line of the log the fields `request`, `reader` and `task`, and `about` with those that there are."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = {"request": request_ids.current.get(), "reader": reader.get(), "task": _task()}
        about = " ".join(filter(None, said.values()))
        record.__dict__ |= said | {"about": f" [{about}]" if about else ""}
        return True


def _task() -> str:
    return (current_task.request.id or "") if current_task else ""
