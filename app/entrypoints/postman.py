"""The OpenAPI document as a Postman collection, format 2.1 (schema.getpostman.com/json/collection/v2.1.0)."""

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def postman_collection(document: Json) -> Json:
    """The collection: a folder for each tag, and variables for who calls and where the service is."""
    folders: dict[str, list[Json]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "head":  # Postman shows a GET's headers anyway
                folders.setdefault(operation["tags"][0], []).append(_request(document, path, method, operation))
    return {
        "info": {
            "_postman_id": str(uuid5(NAMESPACE_URL, document["info"]["title"])),
            "name": document["info"]["title"],
            "description": document["info"]["summary"],
            "schema": _SCHEMA,
        },
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:5000"},
            {"key": "user_id", "value": "alice"},
            {"key": "image_id", "value": ""},
            {"key": "spec_name", "value": ""},
        ],
        "item": [{"name": tag, "item": requests} for tag, requests in folders.items()],
    }


def _request(document: Json, path: str, method: str, operation: Json) -> Json:
    headers = [{"key": "X-User-ID", "value": "{{user_id}}"}] if "security" in operation else []
    query: list[Json] = []
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            continue
        entry = {"key": parameter["name"], "value": "", "disabled": True}
        if description := parameter.get("description"):
            entry["description"] = description
        (query if parameter["in"] == "query" else headers).append(entry)
    path = re.sub(r"\{(\w+)\}", r"{{\1}}", path)
    shown = "&".join(f"{entry['key']}=" for entry in query if not entry["disabled"])
    request: Json = {
        "method": method.upper(),
        "header": headers,
        "url": {
            "raw": "{{base_url}}" + path + (f"?{shown}" if shown else ""),
            "host": ["{{base_url}}"],
            "path": path.strip("/").split("/"),
            "query": query,
        },
    }
    if (content := operation.get("requestBody", {}).get("content")) is not None:
        request["body"] = _body(document, content)
        if request["body"]["mode"] == "raw":
            headers.append({"key": "Content-Type", "value": "application/json"})
    return {"name": operation["summary"], "request": request, "response": []}


def _body(document: Json, content: Json) -> Json:
    """A form where the operation takes one, else JSON with its required members."""
    form = content.get("multipart/form-data")
    schema = _resolved(document, (form or content["application/json"])["schema"])
    required = schema.get("required", [])
    if form:
        fields: list[Json] = [
            {"key": name, "disabled": name not in required}
            | ({"type": "file", "src": []} if name == "file" else {"type": "text", "value": ""})
            for name in schema["properties"]
        ]
        return {"mode": "formdata", "formdata": fields}
    example = {name: _example(_resolved(document, schema["properties"][name])) for name in required}
    lines = ",\n".join(f'  "{name}": {value}' for name, value in example.items())
    return {"mode": "raw", "raw": f"{{\n{lines}\n}}" if lines else "{}", "options": {"raw": {"language": "json"}}}


def _resolved(document: Json, schema: Json) -> Json:
    if (reference := schema.get("$ref")) is None:
        return schema
    found: Json = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _example(schema: Json) -> str:
    if "enum" in schema:
        return f'"{schema["enum"][0]}"'
    return {"integer": "1", "array": '["{{image_id}}"]', "string": '""'}.get(schema.get("type", ""), "null")
