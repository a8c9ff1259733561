"""There is one version: the package's."""

import tomllib

from app import __version__
from tests.server import ROOT


def test_distribution_and_changelog_have_the_version_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
