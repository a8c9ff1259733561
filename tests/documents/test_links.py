"""What the documents of the project point to is there."""

import re
from pathlib import Path

import pytest

from tests.server import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """GitHub's fragments for a document's headings: in lower case, without punctuation, hyphens for spaces."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(document.read_text())
    }


def leads_somewhere(document: Path, target: str) -> bool:
    path, _, fragment = target.partition("#")
    file = document.parent / path if path else document
    return file.exists() and (not fragment or fragment in anchors(file))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_inside_of_the_project_leads_somewhere(document: Path) -> None:
    targets = ["".join(found) for found in LINK.findall(document.read_text())]
    assert [it for it in targets if "://" not in it and not leads_somewhere(document, it)] == []
