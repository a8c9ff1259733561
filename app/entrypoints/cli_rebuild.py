"""`python -m app rebuild-postings`: progress on the screen, and a file to go on from."""

import sys

import click
import orjson

from app.services import build_services
from app.services.rebuild import rebuild_postings
from app.services.tables import Position
from app.settings import Settings


def rebuild(settings: Settings, user_id: str | None) -> None:
    """Rebuild, from where an interrupted call for the same tables and user left off. Raises BackendUnavailable."""
    metadata = build_services(settings, signs=False).metadata
    bookmark = _Bookmark(settings, user_id)
    after = bookmark.read()
    if after is not None:
        click.echo("Continuing where the last run stopped.")
    rows = 0
    expected = None if user_id is not None or after is not None else metadata.count()
    with click.progressbar(length=expected or 1, label="Images", show_pos=True, hidden=not sys.stdout.isatty()) as bar:
        for step in rebuild_postings(metadata, user_id=user_id, after=after):
            rows += step.rows
            bar.length = max(bar.length or 0, rows)
            bar.update(step.rows)
            if step.done_up_to is not None:
                bookmark.write(step.done_up_to)
    bookmark.remove()
    click.echo(f"Wrote the postings of {rows} images.")


class _Bookmark:
    """How far a rebuild of these tables came, for this user or for all."""

    def __init__(self, settings: Settings, user_id: str | None) -> None:
        self._path = settings.data_dir / "rebuild-postings.json"
        self._of = {
            "endpoint_url": settings.endpoint_url,
            "aws_region": settings.aws_region,
            "images_table": settings.images_table,
            "postings_table": settings.postings_table,
            "user_id": user_id,
        }

    def read(self) -> Position | None:
        """None where nothing was interrupted, or another rebuild was, or the file does not say: begin anew."""
        try:
            kept = orjson.loads(self._path.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        match kept:
            case {"of": of, "done_up_to": [str(created_at), str(image_id)]} if of == self._of:
                return created_at, image_id
        return None

    def write(self, done_up_to: Position) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(orjson.dumps({"of": self._of, "done_up_to": done_up_to}))
        new.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
