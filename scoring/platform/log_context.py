"""What every log line is: one line, with request id, reader code and task id. Never a name or a face."""

import logging
from contextvars import ContextVar
from typing import Any

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


class OneLine(logging.Formatter):
    """Writes each record so that nothing in it can pass for another: what is not printable is escaped.

    A path, a header or a file name may hold line breaks, or codes that move a terminal's cursor. The lines of a
    traceback, which may quote them too, are indented: only a record begins at the first column.
    """

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # as another formatter left it, which does not escape
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's own name
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  logging's own name
        return _indented(super().formatStack(stack_info))


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)


def _indented(lines: str) -> str:
    return "\n".join(f"    {_escaped(line)}" for line in lines.splitlines())


def _task() -> str:
    return (current_task.request.id or "") if current_task else ""
