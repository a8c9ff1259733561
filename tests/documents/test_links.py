"""What the documents of the project point to is there."""

import re
from pathlib import Path

import pytest

from tests.server import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_of_the_project_leads_somewhere(document: Path) -> None:
    targets = ["".join(found) for found in LINK.findall(document.read_text())]
    missing = [it for it in targets if "://" not in it and not (document.parent / it).exists()]
    assert missing == []
