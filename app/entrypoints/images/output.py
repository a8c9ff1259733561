"""What goes to standard output and what to standard error, and in which form.

Texts of images come from whoever uploaded them, so nothing in them may act on a terminal.
"""

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.client import Image

# Marks, embeddings, overrides and isolates (Unicode Standard Annex 9, section 2).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What spreadsheets take for a formula, in East Asian width too (OWASP, "CSV Injection").
_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_LINKS = frozenset({"download_url", "thumbnail_url"})
_WIDTH_WITHOUT_TERMINAL = 160  # columns of a table that goes to a file or a pipe
_CSV_COLUMNS = (
    "image_id", "filename", "title", "description", "location", "tags", "content_type", "file_size", "width", "height",
    "sha256", "status", "created_at", "updated_at", "captured_at", "version",
)  # fmt: skip


def write_utf8() -> None:
    """Write files and pipes as UTF-8, also on Windows; and where a terminal lacks a character, a `?` in its place."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")


def printable(text: object) -> str:
    """The text with question marks in place of what would move a cursor, end a line, or show one name as another."""
    return "".join("?" if is_control(char) else char for char in str(text))


def is_control(char: str) -> bool:
    """Whether a character is not to be seen, and changes how others are."""
    return char in _BIDI or unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}


def say(text: str) -> None:
    """A line for the person, on standard error."""
    click.echo(printable(text), err=True)


def tell(*fields: object) -> None:
    """A line of data, its fields separated by tabs, on standard output."""
    click.echo("\t".join(printable(field) for field in fields))


def tell_json(document: Mapping[str, Any]) -> None:
    """One line of NDJSON, on standard output."""
    click.echo(json_line(document))


def json_line(document: Mapping[str, Any]) -> bytes:
    """A JSON object on one line, as UTF-8 without the line's end."""
    text = json.dumps(document, ensure_ascii=False, default=_as_json)
    return "".join(f"\\u{ord(char):04x}" if is_control(char) else char for char in text).encode()


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    raise TypeError(type(value).__name__)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return _as_json(value) if isinstance(value, datetime) else str(value)


def facts(image: Image, *, links: bool = False) -> dict[str, Any]:
    """The image as JSON shows it; the presigned links, with which anybody may read it, only if asked for."""
    return {name: value for name, value in asdict(image).items() if links or name not in _LINKS}


def write_csv(images: Iterable[Image]) -> None:
    """A head and a row an image, for spreadsheets; tags are separated by commas, which few of them hold."""
    writer = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(_CSV_COLUMNS)
    for image in images:
        shown = facts(image) | {"tags": ",".join(image.tags)}
        writer.writerow(_cell(_as_text(shown[name])) for name in _CSV_COLUMNS)


def _cell(text: str) -> str:
    """The text on one line, printable, and with an apostrophe before what a spreadsheet would calculate."""
    line = printable(" ".join(text.splitlines()))
    return f"'{line}" if line.lstrip().startswith(_FORMULA_STARTS) else line


def write_table(images: Iterable[Image]) -> None:
    """The images for a person."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_WITHOUT_TERMINAL)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ID", no_wrap=True, min_width=36)
    for heading in ("Title", "Filename", "Tags"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    for heading in ("Size", "Pixels"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Created (UTC)", no_wrap=True)
    for image in images:
        pixels = f"{image.width}x{image.height}" if image.width else image.status
        cells = (
            image.image_id,
            image.title or "",
            image.filename,
            ", ".join(image.tags),
            readable_bytes(image.file_size),
            pixels,
            f"{image.created_at:%Y-%m-%d %H:%M}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)


def write_facts(image: Image) -> None:
    """One image for a person: a name and a value a line."""
    shown = facts(image) | {"tags": ", ".join(image.tags)}
    if image.rejection:
        shown["rejection"] = f"{image.rejection.detail} ({image.rejection.code})"
    for name, value in shown.items():
        if value is not None:
            tell(f"{name:<12} {_as_text(value)}")


def readable_bytes(size: int) -> str:
    """`1.5 MiB`"""
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
