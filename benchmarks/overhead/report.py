"""The figures as a Markdown table and as a plot."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from benchmarks.overhead.candidates import CANDIDATES
from benchmarks.overhead.operations import OPERATIONS

mpl.use("Agg")

Measured = Mapping[str, Mapping[str, float]]


def table(results: Mapping[str, Measured]) -> str:
    """CPU microseconds for each operation, behind them in parentheses how many floors that is."""
    names = list(CANDIDATES)
    lines = []
    for title, unit in (("In process", "cpu_us"), ("Under gunicorn, one worker", "gunicorn_cpu_us")):
        if unit not in results:
            continue
        per_second = results.get("gunicorn_per_second", {}) if unit.startswith("gunicorn") else {}
        lines += [f"{title}:", "", f"| us of CPU | {' | '.join(names)} | goal |", "| --- " * (len(names) + 2) + "|"]
        for operation in OPERATIONS:
            found = results[unit][operation.name]
            cells = [f"{found[name]:,.0f} ({found[name] / found['floor']:.1f})" for name in names]
            if operation.name in per_second:
                rates = [per_second[operation.name][name] for name in names]
                cells = [f"{cell}, {rate:,.0f}/s" for cell, rate in zip(cells, rates, strict=True)]
            goal = "" if operation.goal is None else f"{operation.goal:.0f}"
            lines.append(f"| {operation.name} | {' | '.join(cells)} | {goal} |")
        lines.append("")
    ones = results["us_of_one"]
    return "\n".join([*lines, *(f"One {name}: {found['service']} us." for name, found in ones.items())])


def draw(measured: Measured, path: Path) -> None:
    """Bars of how many floors each operation costs, on a logarithmic axis, with the goals as ticks."""
    from matplotlib import pyplot  # noqa: PLC0415 - only once the backend is chosen

    names = [name for name in CANDIDATES if name != "floor"]
    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    height = 0.8 / len(names)
    for row, operation in enumerate(OPERATIONS):
        found = measured[operation.name]
        for number, name in enumerate(names):
            ratio = found[name] / found["floor"]
            label = name if row == 0 else None
            axes.barh(row + (number - 1) * height, ratio, height * 0.9, color=f"C{number}", label=label)
            axes.text(ratio * 1.03, row + (number - 1) * height, f"{ratio:.1f}", va="center", fontsize=7)
        if operation.goal is not None:
            axes.plot([operation.goal] * 2, [row - 0.45, row + 0.45], color="black", linewidth=1)
    axes.set_yticks(range(len(OPERATIONS)), [operation.name for operation in OPERATIONS])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("CPU of a request, in multiples of the floor (black: the goal)")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
