"""docs/access.md is what `python -m tests.contract.access_table` writes, and says what it should."""

import re

import pytest

from tests.contract.access_table import MARK, PAGE, table

ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in PAGE.read_text().splitlines()
    if line.startswith("| `")
]
OPEN_TO_ALL = ("/api/v1/limits", "/api/v1/thumbnails/")  # and all that is not the API


def test_the_page_is_current() -> None:
    assert PAGE.read_text().partition(MARK)[2] == "\n" + table()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("`"))
def test_only_who_is_known_gets_in_and_only_the_owner_to_an_image(row: list[str]) -> None:
    route, owner, stranger, *unknown = row
    path = route.strip("`").partition(" ")[2]
    assert int(owner[:3]) < 400 or owner == "409 `upload_not_pending`"
    if not path.startswith("/api/") or path.startswith(OPEN_TO_ALL):
        assert {owner, stranger, *unknown} == {owner}
    else:
        assert all(re.match("401", outcome) for outcome in unknown)
        assert stranger[:3] == ("403" if "{image_id}" in path else owner[:3])
