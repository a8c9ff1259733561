"""The dashboard and the alert rules ask for figures that there are, and the alerts ring when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.metrics import Metrics
from app.worker_metrics import WorkerMetrics
from tests.server import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
AUDIT = {"image_storage_audit_findings", "image_storage_last_audit_timestamp_seconds"}


def shown() -> set[str]:
    """The names of all figures, as they are asked for."""
    metrics = Metrics()
    WorkerMetrics(metrics.registry)
    registry: CollectorRegistry = metrics.registry
    kinds = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}
    return AUDIT | {family.name + ending for family in registry.collect() for ending in kinds[family.type]}


@pytest.mark.parametrize("path", [DASHBOARD, ALERTS], ids=["dashboard", "alerts"])
def test_only_figures_that_exist_are_asked_for(path: Path) -> None:
    asked = set(re.findall(r"\bimage_storage_\w+", path.read_text()))
    assert asked
    assert asked <= shown()


def test_the_dashboard_shows_every_figure() -> None:
    text = DASHBOARD.read_text()
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown()} - {
        "image_storage_last_audit_timestamp_seconds"
    }
    assert [name for name in sorted(names) if name not in text] == []


def test_its_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)


def test_the_document_explains_every_alert() -> None:
    document = (ROOT / "docs" / "operations.md").read_text()
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text())
    assert len(alerts) >= 10
    assert [alert for alert in alerts if f"### {alert}\n" not in document] == []


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs promtool, of the package prometheus")
def test_alerts_ring_when_they_should() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=ALERTS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
