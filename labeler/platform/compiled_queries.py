"""Queries that Django compiles to SQL once in a process, for requests that come with every grade.

Django compiles a query anew each time it is asked, and that takes several times as long as the database's answer.

This rests on private parts of Django 5.2, which `tests/labeler/platform/test_compiled_queries.py` holds against the
ordinary way: `SQLCompiler.klass_info` (its "model", "select_fields", "related_klass_infos", "local_setter"),
`SQLCompiler.select` and `SQLCompiler.annotation_col_map`, as `django.db.models.query.ModelIterable` and
`get_related_populators` use them.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet

AnyModel = TypeVar("AnyModel", bound=Model)


class CompiledQuery(Generic[AnyModel]):
    """The rows of a queryset, with `select_related`, `only` and annotations as it has them.

    `make` gets values by name; those that are given here, one for each name, stand for them while the query is
    compiled, so no other value in it may equal one. A query that is another one for other values (an empty list, None)
    is not for this.
    """

    def __init__(self, make: Callable[..., QuerySet[AnyModel]], **examples: Any) -> None:
        self.make, self.examples = make, examples

    def first(self, **values: Any) -> AnyModel | None:
        return next(iter(self.all(**values)), None)

    def all(self, **values: Any) -> list[AnyModel]:
        sql, parameters, build = self._query
        with connection.cursor() as cursor:
            cursor.execute(sql, [values[one.name] if isinstance(one, _Open) else one for one in parameters])
            return [build(row) for row in cursor.fetchall()]

    @cached_property
    def _query(self) -> tuple[str, list[Any], Callable[[tuple[Any, ...]], AnyModel]]:
        compiler = self.make(**self.examples).query.get_compiler(DEFAULT_DB_ALIAS)
        sql, given = compiler.as_sql()
        parameters = [_opened(value, self.examples) for value in given]
        if missing := set(self.examples) - {one.name for one in parameters if isinstance(one, _Open)}:
            raise TypeError(f"The query compares nothing with {', '.join(missing)}.")
        annotated = compiler.annotation_col_map or {}
        names = ["" if n in annotated.values() else one.target.attname for n, (one, _, _) in enumerate(compiler.select)]
        return sql, parameters, _annotating(_builder(compiler.klass_info, names), annotated)


class _Open:
    """A place in a query for the value of this name."""

    def __init__(self, name: str) -> None:
        self.name = name


def _opened(value: Any, examples: Mapping[str, Any]) -> Any:
    names = [name for name, example in examples.items() if type(example) is type(value) and example == value]
    return _Open(names[0]) if names else value


def _annotating(build: Callable[[tuple[Any, ...]], Any], places: Mapping[str, int]) -> Callable[[tuple[Any, ...]], Any]:
    if not places:
        return build

    def build_annotated(row: tuple[Any, ...]) -> Any:
        instance = build(row)
        for name, place in places.items():
            setattr(instance, name, row[place])
        return instance

    return build_annotated


def _builder(info: Mapping[str, Any], names: list[str]) -> Callable[[tuple[Any, ...]], Any]:
    """Return what makes an instance of a row, with those that it is joined with, as Django's own iterator does."""
    model, places = info["model"], info["select_fields"]
    own = [names[place] for place in places]
    related = [(_builder(one, names), one["local_setter"]) for one in info.get("related_klass_infos", [])]

    def build(row: tuple[Any, ...]) -> Any:
        instance = model.from_db(DEFAULT_DB_ALIAS, own, [row[place] for place in places])
        for build_other, attach in related:
            attach(instance, build_other(row))
        return instance

    return build
