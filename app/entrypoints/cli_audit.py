"""`python -m app audit`: findings on standard output, progress on standard error."""

import dataclasses
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import orjson
from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from app.services import build_services
from app.services.audit import Audit, AuditOptions, DefectKind, Finding, Pass, Step
from app.settings import Settings


def audit(
    settings: Settings,
    options: AuditOptions,
    *,
    as_json: bool = False,
    only_left: bool = False,
    figures: Path | None = None,
) -> int:
    """Compare, show what is found, or only what is left of it, and return how many findings are left.

    Its figures are for Prometheus' node exporter, which reads files of that format. Raises BackendUnavailable.
    """
    steps = Audit(build_services(settings, signs=False), settings, options).run()
    checked: Counter[str] = Counter({of.value: 0 for of in Pass})
    findings: Counter[bool] = Counter()
    kinds = Counter(dict.fromkeys(itertools.product(DefectKind, (True, False)), 0))
    for of, steps_of_pass in itertools.groupby(steps, key=lambda step: step.of):
        for step in steps_of_pass if as_json else _with_progress(of, steps_of_pass):
            checked[of] += step.checked
            for finding in step.findings:
                findings[finding.done] += 1
                kinds[finding.kind, finding.done] += 1
                if not (only_left and finding.done):
                    click.echo(_json(finding) if as_json else _line(finding))
    if as_json:
        summary = {"checked": dict(checked), "findings": findings.total(), "left": findings[False]}
        click.echo(orjson.dumps(summary))
    else:
        click.echo(
            f"Checked {checked['rows']} rows, {checked['objects']} objects and {checked['postings']} postings: "
            f"{findings.total()} findings, {findings[False]} left."
        )
    if figures is not None:
        _write_figures(figures, kinds)
    return findings[False]


def _write_figures(path: Path, kinds: Mapping[tuple[DefectKind, bool], int]) -> None:
    registry = CollectorRegistry()
    found = Gauge("image_storage_audit_findings", "Of the last audit", ["kind", "left"], registry=registry)
    for (kind, done), number in kinds.items():
        found.labels(kind.value, "no" if done else "yes").set(number)
    Gauge(
        "image_storage_last_audit_timestamp_seconds", "When an audit last came to its end", registry=registry
    ).set_to_current_time()
    write_to_textfile(str(path), registry)


def _with_progress(of: Pass, steps: Iterable[Step]) -> Iterable[Step]:
    """The steps, while a bar moves on. Nobody knows how many are to come, so it has no end until it is there."""
    hidden = not sys.stderr.isatty()  # else its label would stand among the lines of a log
    with click.progressbar(length=1, label=of.capitalize(), show_pos=True, file=sys.stderr, hidden=hidden) as bar:
        for step in steps:
            bar.length = bar.pos + step.checked + 1
            bar.update(step.checked)
            yield step
        bar.length = bar.pos
        bar.update(0)


def _json(finding: Finding) -> bytes:
    return orjson.dumps(dataclasses.asdict(finding))


def _line(finding: Finding) -> str:
    outcome = f"{finding.action}, done" if finding.done else finding.action
    return f"{finding.kind} {finding.user_id or '-'} {finding.image_id or '-'} ({finding.detail}): {outcome}"
