"""The OpenAPI 3.1 document, made from the models that parse and present and from what the views say.

OpenAPI 3.1 takes JSON Schema as it is, so pydantic's schemas go in unchanged; what is added here
is the frame around them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from flask import Flask
from pydantic import TypeAdapter
from werkzeug.routing import Rule

from app import __version__, errors
from app.api.context import EXTENSION, Context
from app.api.hardening import SAFE_METHODS
from app.api.idempotency import HEADER as IDEMPOTENCY_HEADER
from app.api.operations import Answer, Operation, operation_of
from app.api.problems import INTERNAL_ERROR, KINDS, Kind
from app.api.response_models import Problem
from app.models import ContentType
from app.problem_details import MEDIA_TYPE

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_PATH_FORMATS: dict[str, Json] = {"image_id": {"format": "uuid"}}
_UPLOAD_FORM = "UploadForm"
_BYTES: Json = {"schema": {"type": "string", "format": "binary"}}
_SHARED_FAILURES = (errors.InvalidRequest, errors.MissingUser, errors.BackendUnavailable)


def openapi_document(app: Flask, *, server: str = "/") -> Json:
    """The document of this application, as it is configured, with the path under which clients see it."""
    return _Document(app).build() | {"servers": [{"url": server}]}


def routes(app: Flask) -> Iterator[tuple[Rule, Operation | None]]:
    """Every route with what its view says about itself."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        yield rule, operation_of(app.view_functions[rule.endpoint])


class _Document:
    """One document while it is built: the models that the paths refer to are collected on the way."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._context: Context = app.extensions[EXTENSION]
        self._models: dict[type, Mode] = {}
        self._of_one_image: Sequence[tuple[Rule, str]] = ()

    def build(self) -> Json:
        paths: dict[str, Json] = {}
        described = [(rule, contract) for rule, contract in routes(self._app) if contract is not None]
        self._of_one_image = [
            (rule, method)
            for rule, contract in described
            for method in self._methods(rule, contract)
            if rule.arguments == {"image_id"}
        ]
        for rule, contract in described:
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            paths.setdefault(path, {}).update(self._path(rule, contract))
        self._reference(Problem, "serialization")
        adapters: list[tuple[type, Mode, TypeAdapter[Any]]] = [
            (model, mode, TypeAdapter(model)) for model, mode in self._models.items()
        ]
        _, schemas = TypeAdapter.json_schemas(adapters, ref_template="#/components/schemas/{model}")
        definitions = schemas["$defs"]
        definitions[_UPLOAD_FORM] = _upload_form(definitions["UploadFields"])
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Image Storage Service",
                "version": __version__,
                "summary": "Stores images and gives them back fast, safely and findable.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "paths": paths,
            "components": {
                "schemas": definitions,
                "securitySchemes": {"user": dict(self._context.identity.scheme)},
            },
        }

    def _path(self, rule: Rule, contract: Operation) -> Json:
        return {method.lower(): self._operation(rule, method, contract) for method in self._methods(rule, contract)}

    def _methods(self, rule: Rule, contract: Operation) -> list[str]:
        return [
            method
            for method in sorted(_METHODS & (rule.methods or set()))
            # Flask answers HEAD wherever it answers GET; it is worth a word where the headers say something.
            if method != "HEAD" or any(answer.image or answer.media_types for answer in contract.answers.values())
        ]

    def _operation(self, rule: Rule, method: str, contract: Operation) -> Json:
        described: Json = {
            "operationId": _operation_id(rule, method),
            "summary": contract.summary,
            "tags": [_group(rule)],
            "parameters": [*_path_parameters(rule), *self._query_parameters(contract), *_header_parameters(contract)],
            "responses": self._responses(method, contract),
        }
        if contract.uploads:
            described["requestBody"] = self._upload_body()
        elif contract.body is not None:
            schema = self._reference(contract.body, "validation")
            described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        if contract.identified:
            described["security"] = [{"user": []}]
        return described

    def _model(self, model: str | type) -> type:
        found: type = getattr(self._context.models, model) if isinstance(model, str) else model
        return found

    def _reference(self, model: str | type, mode: Mode) -> Json:
        found = self._model(model)
        self._models[found] = mode
        return {"$ref": f"#/components/schemas/{found.__name__}"}

    def _query_parameters(self, contract: Operation) -> Iterator[Json]:
        if contract.query is None:
            return
        described = TypeAdapter(self._model(contract.query)).json_schema()
        required = described.get("required", ())
        for name, schema in described["properties"].items():
            plain = _without_null(schema)
            parameter = {"name": name, "in": "query", "schema": plain}
            if name in required:
                parameter["required"] = True
            if contract.uploads:
                parameter["description"] = "for raw bytes; the other forms carry it in the body"
            elif description := plain.pop("description", None):
                parameter["description"] = description
            yield parameter

    def _upload_body(self) -> Json:
        self._reference("upload_fields", "validation")
        json_form = {"schema": self._reference("base64_upload", "validation")}
        form = {"schema": {"$ref": f"#/components/schemas/{_UPLOAD_FORM}"}}
        raw = dict.fromkeys([*(kind.value for kind in ContentType), "application/octet-stream"], _BYTES)
        return {
            "required": True,
            "content": {"multipart/form-data": form, "application/json": json_form, **raw},
        }

    def _responses(self, method: str, contract: Operation) -> Json:
        responses = {str(status): self._answer(method, answer) for status, answer in contract.answers.items()}
        codes: dict[int, list[str]] = {}
        for kind in self._kinds(method, contract):
            codes.setdefault(kind.status, []).append(kind.code)
        schema = self._reference(Problem, "serialization")
        for status, names in codes.items():
            problem: Json = {"description": ", ".join(names)}
            if method != "HEAD":
                problem["content"] = {MEDIA_TYPE: {"schema": schema}}
            responses[str(status)] = problem
        return dict(sorted(responses.items()))

    def _kinds(self, method: str, contract: Operation) -> Iterable[Kind]:
        shared: tuple[type[errors.ServiceError], ...] = ()
        if contract.identified:
            limited = (errors.RateLimited,) if self._context.rates.are_on else ()
            foreign = (errors.ForeignOrigin,) if method not in SAFE_METHODS else ()
            shared = (*_SHARED_FAILURES, *foreign, self._context.identity.failure, *limited)
        creating: tuple[type[errors.ServiceError], ...] = ()
        if contract.creates:
            counted = (errors.QuotaExceeded,) if self._context.settings.has_quotas else ()
            creating = (errors.IdempotencyConflict, errors.RequestInProgress, *counted)
        return [*(KINDS[failure] for failure in (*shared, *creating, *contract.failures)), INTERNAL_ERROR]

    def _answer(self, method: str, answer: Answer) -> Json:
        described: Json = {"description": answer.description}
        content: Json = {}
        if answer.is_json:
            content["application/json"] = {"schema": {"type": "object"}}
        if answer.model is not None:
            content["application/json"] = {"schema": self._reference(answer.model, "serialization")}
        if answer.image:
            content |= dict.fromkeys((kind.value for kind in ContentType), _BYTES)
        content |= dict.fromkeys(answer.media_types, _BYTES)
        if content and method != "HEAD":
            described["content"] = content
        if answer.headers:
            described["headers"] = {name: {"schema": {"type": "string"}} for name in answer.headers}
        if answer.image_id_at is not None:
            image_id = f"$response.body#{answer.image_id_at}"
            described["links"] = {
                operation_id: {"operationId": operation_id, "parameters": {"image_id": image_id}}
                for rule, following in self._of_one_image
                if _group(rule) in answer.leads_to
                for operation_id in (_operation_id(rule, following),)
            }
        return described


def _group(rule: Rule) -> str:
    group: str = rule.endpoint.partition(".")[0]
    return group


def _operation_id(rule: Rule, method: str) -> str:
    name = rule.endpoint.partition(".")[2]
    alias = "_alias" if rule.rule.endswith("/upload") else ""
    return f"{name}_{method.lower()}{alias}"


def _path_parameters(rule: Rule) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | _PATH_FORMATS.get(name, {})}
        for name in sorted(rule.arguments)
    ]


def _header_parameters(contract: Operation) -> list[Json]:
    parameters: list[Json] = [
        {"name": name, "in": "header", "schema": {"type": "string"}} for name in contract.reads_headers
    ]
    if contract.creates:
        parameters.append(
            {
                "name": IDEMPOTENCY_HEADER,
                "in": "header",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                "description": "the same key with the same request makes one thing and gives one answer, for 24 hours",
            }
        )
    return parameters


def _without_null(schema: Json) -> Json:
    """The schema of a value that is given: a query parameter is left out instead of being null."""
    plain = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "default"}}
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            plain |= option
    if schema.get("default") is not None:
        plain["default"] = schema["default"]
    return plain


def _upload_form(fields: Json) -> Json:
    """The multipart form: the fields, and the file beside them."""
    return {
        "type": "object",
        "properties": {"file": _BYTES["schema"]} | fields["properties"],
        "required": ["file"],
        "additionalProperties": False,
    }
