"""The API's documentation page, rendered from the OpenAPI document without scripts."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from scoring.models import Scope
from scoring.service.api import api

Json = dict[str, Any]


@login_not_required
@require_GET
def documentation(request: HttpRequest) -> HttpResponse:
    """Show every operation, and every object that goes in or out."""
    document = api.get_openapi_schema()
    operations = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    objects = [{"name": name} | _object(schema) for name, schema in document["components"]["schemas"].items()]
    context = {"info": document["info"], "operations": operations, "objects": objects, "scopes": Scope.choices}
    return render(request, "scoring/documentation.html", context)


def _operation(path: str, method: str, operation: Json) -> Json:
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "method": method.upper(),
        "path": path,
        "anchor": operation["operationId"],
        "summary": operation["summary"],
        "description": _prose(operation),
        "parameters": [
            _field(one["name"], one["schema"], one) | {"where": one["in"]} for one in _parameters(operation)
        ],
        "bodies": [{"media": media} | _object(body["schema"]) for media, body in bodies.items()],
        "answers": [_answer(int(status), answer) for status, answer in operation["responses"].items()],
    }


def _parameters(operation: Json) -> list[Json]:
    parameters: list[Json] = operation.get("parameters", [])
    return parameters


def _answer(status: int, answer: Json) -> Json:
    content = answer.get("content", {})
    media, body = next(iter(content.items()), ("", {"schema": {}}))
    return {"status": status, "description": answer["description"], "media": media, **_kind(body["schema"])}


def _object(schema: Json) -> Json:
    required = schema.get("required", [])
    fields = [
        _field(name, field, {"required": name in required, **field})
        for name, field in schema.get("properties", {}).items()
    ]
    return {"description": _prose(schema), "fields": fields}


def _field(name: str, schema: Json, about: Json) -> Json:
    said = {"name": name, "is_required": about.get("required"), "description": _prose(about)}
    return said | _kind(schema)


def _prose(about: Json) -> SafeString:
    """Return a description for the page: what stands between backticks there is code."""
    parts = about.get("description", "").split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>" if at % 2 else "{}", part),) for at, part in enumerate(parts))
    )


def _kind(schema: Json) -> Json:
    """Return a type in words, and the object it names, if it names one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"kind": "", "object": name}
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        words = [kind["kind"] for kind in kinds if kind["kind"]]
        return {"kind": " or ".join(words), "object": next((kind["object"] for kind in kinds if kind["object"]), "")}
    if schema.get("type") == "array":
        return _list(schema)
    named = " | ".join(map(str, schema.get("enum", []))) or schema.get("format") or schema.get("type", "")
    return {"kind": named, "object": ""}


def _list(schema: Json) -> Json:
    if "prefixItems" in schema:
        return {"kind": f"{len(schema['prefixItems'])} numbers", "object": ""}
    inner = _kind(schema["items"])
    return {"kind": f"list of {inner['kind']}".strip(), "object": inner["object"]}
