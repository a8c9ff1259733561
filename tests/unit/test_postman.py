import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.entrypoints.cli import main

DOCS = Path(__file__).parents[2] / "docs"


def printed(command: str) -> Any:
    done = CliRunner().invoke(main, [command], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def requests(collection: Any) -> list[Any]:
    """Those to the API; one more goes to the presigned URL that an announcement brings."""
    found = [item["request"] for folder in collection["item"] for item in folder["item"]]
    return [request for request in found if request["url"]["host"] != ["{{upload_url}}"]]


@pytest.mark.parametrize("name", ["postman", "openapi"])
def test_the_kept_document_is_current(name: str) -> None:
    path = DOCS / f"{name}.json"
    assert json.loads(path.read_text()) == printed(name), f"python -m app {name} > docs/{name}.json"


def test_the_collection_has_every_request_of_the_openapi_document() -> None:
    described = {
        (method.upper(), re.sub(r"\{(\w+)\}", r"{{\1}}", path))
        for path, operations in printed("openapi")["paths"].items()
        for method in operations
        if method != "head"
    }
    shown = {(request["method"], "/" + "/".join(request["url"]["path"])) for request in requests(printed("postman"))}
    assert shown == described


def test_the_collection_has_the_structure_of_format_2_1() -> None:
    collection = printed("postman")
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    known = {variable["key"] for variable in collection["variable"]}
    assert set(re.findall(r"\{\{(\w+)\}\}", json.dumps(collection))) <= known
    for request in requests(collection):
        assert request["url"]["raw"].startswith("{{base_url}}/")
        assert request["url"]["host"] == ["{{base_url}}"]
        if (body := request.get("body")) is not None:
            assert body[body["mode"]]
            if body["mode"] == "raw":
                json.loads(body["raw"])
