"""Traces for a process that has OTEL_EXPORTER_OTLP_ENDPOINT, and no OpenTelemetry for all others."""

import importlib
import logging
from typing import TYPE_CHECKING

from app.settings import Settings, SettingsError

if TYPE_CHECKING:
    from app.tracing import Tracing


def require_tracing(settings: Settings) -> None:
    """Raises SettingsError where there shall be traces and the packages for them are not installed."""
    if settings.otel_exporter_otlp_endpoint is None:
        return
    try:
        importlib.import_module("app.tracing")
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("opentelemetry"):
            raise
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry, which is not installed: "
            "pip install -r requirements-tracing.txt"
        ) from error


def start_tracing(settings: Settings, *, service_name: str) -> "Tracing | None":
    """What makes this process's traces; None where there shall be none. Raises SettingsError.

    Called once, after a fork and after the log is configured. The end of the process sends what is left.
    """
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    require_tracing(settings)
    from app.tracing import exporting, with_trace_id  # noqa: PLC0415 - it loads OpenTelemetry

    for handler in logging.getLogger().handlers:
        handler.addFilter(with_trace_id)
    return exporting(settings.otel_exporter_otlp_endpoint, service_name=service_name)
