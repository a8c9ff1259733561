"""The figures as a Markdown table and as a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from benchmarks.overhead.candidates import CANDIDATES, compared
from benchmarks.overhead.operations import OPERATIONS

mpl.use("Agg")


class Figures(TypedDict):
    """Of one operation: microseconds of CPU for a request, how many floors that is, and requests in a second."""

    us: float
    floors: float
    per_second: float


Measured = dict[str, dict[str, Figures]]
"""By operation and candidate."""


def table(measured: Mapping[str, Measured]) -> str:
    """CPU microseconds for each operation, in parentheses how many floors that is, and requests in a second."""
    names = list(CANDIDATES)
    lines = []
    for title, found in measured.items():
        lines += [f"{title}:", "", f"| us of CPU | {' | '.join(names)} | goal |", "| --- " * (len(names) + 2) + "|"]
        for operation in OPERATIONS:
            goal = "" if operation.goal is None else f"{operation.goal:.0f}"
            figures = found[operation.name]
            cells = " | ".join(_cell(figures[name]) if name in figures else "" for name in names)
            lines.append(f"| {operation.name} | {cells} | {goal} |")
        lines.append("")
    return "\n".join(lines)


def _cell(figures: Figures) -> str:
    return f"{figures['us']:,.0f} ({figures['floors']:.1f}), {figures['per_second']:,.0f}/s"


def draw(measured: Mapping[str, Measured], path: Path) -> None:
    """Bars of how many floors each operation costs, on a logarithmic axis, with the goals as ticks."""
    from matplotlib import pyplot  # noqa: PLC0415 - only once the backend is chosen

    names = [name for name in CANDIDATES if name != "floor"]
    figure, (panels,) = pyplot.subplots(
        1, len(measured), figsize=(7 * len(measured), 6), layout="constrained", squeeze=False
    )
    for axes, (title, found) in zip(panels, measured.items(), strict=True):
        _draw(axes, names, found)
        axes.set_title(title)
    panels[-1].legend([Patch(color=f"C{number}") for number in range(len(names))], names, loc="lower right")
    figure.supxlabel("CPU of a request, in multiples of the floor (black: the goal)")
    figure.savefig(path, dpi=110)


def _draw(axes: Axes, names: Sequence[str], found: Measured) -> None:
    height = 0.8 / len(names)
    for row, operation in enumerate(OPERATIONS):
        for number, name in enumerate(it for it in names if it in compared(operation)):
            ratio, place = found[operation.name][name]["floors"], row + (number - 1) * height
            axes.barh(place, ratio, height * 0.9, color=f"C{names.index(name)}")
            axes.text(ratio * 1.03, place, f"{ratio:.1f}", va="center", fontsize=7)
        if operation.goal is not None:
            axes.plot([operation.goal] * 2, [row - 0.45, row + 0.45], color="black", linewidth=1)
    axes.set_yticks(range(len(OPERATIONS)), [operation.name for operation in OPERATIONS])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.12)
