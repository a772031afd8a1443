"""Dataclasses as JSON and back: the one writer, the reader that checks, and the schema of both."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Value = TypeVar("Value")

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def dump(value: object) -> Any:
    """Return a dataclass as what `json.dumps` takes: its fields are the keys."""
    return _adapter(type(value)).dump_python(value, mode="json")


def load(kind: type[Value], document: object) -> Value:
    """Return the dataclass that such a document is of. Raises pydantic.ValidationError, which names what is wrong."""
    value: Value = _adapter(kind).validate_python(document)
    return value


def schema(kind: type[object]) -> dict[str, Any]:
    """Return the JSON schema of what `dump` writes of a dataclass."""
    return _adapter(kind).json_schema(mode="serialization")
