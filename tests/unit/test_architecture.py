"""The rules of ARCHITECTURE.md that a machine can hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.api import create_app
from app.api.openapi import routes
from app.settings import Settings

ROOT = Path(__file__).parents[2]


def test_dependencies_run_one_way() -> None:
    # In a process of its own: it turns the loggers of the process that it runs in off.
    linter = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("app", ("flask", "boto3", "pyvips", "pydantic")),
        ("app.services", ("flask", "werkzeug", "multipart")),
        ("app.entrypoints.cli", ("flask", "werkzeug", "multipart", "apig_wsgi")),
        ("app.models", ("flask", "boto3", "pydantic")),
        ("app.client", ("flask", "boto3", "pydantic", "pyvips", "click", "rich")),
        ("app.entrypoints.cli", ("rich",)),
    ],
)
def test_a_room_loads_nothing_that_it_does_not_need(module: str, absent: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_service_makes_no_client_and_reads_no_environment() -> None:
    program = (
        "import boto3, os; boto3.Session = None; os.environ.clear(); "
        "import app.api, app.services.images, app.entrypoints.cli, app.entrypoints.local"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_every_route_of_the_api_is_described(settings: Settings) -> None:
    undescribed = {rule.rule for rule, contract in routes(create_app(settings)) if contract is None}
    assert undescribed == {"/", "/gallery/<asked_version>/<path:name>", "/docs", "/docs/<name>"}  # pages, not API
