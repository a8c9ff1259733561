"""The OpenAPI document as a Postman collection, format 2.1 (schema.getpostman.com/json/collection/v2.1.0).

It can be run as a whole, by Postman and by newman, and nearly every request alone: the image that it
is about is made by a script first. `photo.png` must lie in the working directory, and be of the size
that is announced.
"""

import re
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_PHOTO = "photo.png"  # in Postman's working directory: the one file that a form sends
# A PNG of one pixel, for requests that need an image to be there.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_EXAMPLES = {
    "image_data": '"{{sample_image}}"',
    "filename": f'"{_PHOTO}"',
    "content_type": '"image/png"',
    "file_size": "70",
    "image_ids": '["{{image_id}}"]',
    "title": '"Beach"',
}
_SIGNED = ("v", "expires", "signature")  # the parts of a link
_KEEP_ISSUED = [
    "const { image, upload } = pm.response.json();",
    'pm.collectionVariables.set("image_id", image.image_id);',
    'pm.collectionVariables.set("upload_url", upload.url);',
]
_SENDING: Json = {
    "name": "Send the file straight to S3",
    "event": [],
    "request": {
        "method": "PUT",
        "header": [{"key": "Content-Type", "value": "image/png"}, {"key": "If-None-Match", "value": "*"}],
        "url": {"raw": "{{upload_url}}", "host": ["{{upload_url}}"]},
        "body": {"mode": "file", "file": {"src": _PHOTO}},
    },
    "response": [],
}
_SCRIPT = Path(__file__).with_name("postman.js")


def postman_collection(document: Json) -> Json:
    """The collection: a folder for each tag, and variables for who calls and where the service is."""
    folders: dict[str, list[Json]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "head":  # Postman shows a GET's headers anyway
                folder = folders.setdefault(operation["tags"][0], [])
                folder.append(_request(document, path, method, operation))
    # In the order of an upload: announced, sent, completed; given up is another one.
    announcement, abandonment, completion = folders["uploads"]
    announcement["event"].append(_event("test", _KEEP_ISSUED))
    folders["uploads"] = [announcement, _SENDING, completion, abandonment]
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
            {"key": "upload_url", "value": ""},
            *({"key": name, "value": ""} for name in _SIGNED),
            {"key": "sample_image", "value": PIXEL},
        ],
        "event": [_event("prerequest", _SCRIPT.read_text().splitlines())],
        "item": [{"name": tag, "item": requests} for tag, requests in folders.items()],
    }


def _request(document: Json, path: str, method: str, operation: Json) -> Json:
    headers = [{"key": "X-User-ID", "value": "{{user_id}}"}] if "security" in operation else []
    query: list[Json] = []
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            continue
        is_signed = parameter["name"] in _SIGNED
        entry: Json = {"key": parameter["name"], "value": f"{{{{{parameter['name']}}}}}" if is_signed else ""}
        entry["disabled"] = not is_signed
        if description := parameter.get("description"):
            entry["description"] = description
        (query if parameter["in"] == "query" else headers).append(entry)
    path = re.sub(r"\{(\w+)\}", r"{{\1}}", path)
    shown = "&".join(f"{entry['key']}={entry['value']}" for entry in query if not entry["disabled"])
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
    return {"name": operation["summary"], "event": [_expectation(operation)], "request": request, "response": []}


def _expectation(operation: Json) -> Json:
    """A test that the answer is one of the described successes."""
    successes = [int(status) for status in operation["responses"] if status < "400"]
    expected = f"pm.expect(pm.response.code).to.be.oneOf({successes})"
    return _event("test", [f'pm.test("succeeds", () => {expected});'])


def _event(listen: str, lines: list[str]) -> Json:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


def _body(document: Json, content: Json) -> Json:
    """A form where the operation takes one, else JSON with its required members, or one if it requires none."""
    form = content.get("multipart/form-data")
    schema = _resolved(document, (form or content["application/json"])["schema"])
    required = schema.get("required", [])
    if form:
        fields: list[Json] = [
            {"key": name, "disabled": name not in required}
            | ({"type": "file", "src": _PHOTO} if name == "file" else {"type": "text", "value": ""})
            for name in schema["properties"]
        ]
        return {"mode": "formdata", "formdata": fields}
    shown = required or [name for name in schema["properties"] if name in _EXAMPLES][:1]
    lines = ",\n".join(f'  "{name}": {_EXAMPLES[name]}' for name in shown)
    return {"mode": "raw", "raw": f"{{\n{lines}\n}}", "options": {"raw": {"language": "json"}}}


def _resolved(document: Json, schema: Json) -> Json:
    if (reference := schema.get("$ref")) is None:
        return schema
    found: Json = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found
