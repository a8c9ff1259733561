"""From the environment and .env to settings, and back to .env.example."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError

from app.plain_words import in_plain_words
from app.settings import Settings, SettingsError

ENV_FILE = Path(".env")


def settings_from_environment() -> Settings:
    """The settings of this process. Raises SettingsError."""
    return load_settings(os.environ, env_file=ENV_FILE)


def load_settings(environ: Mapping[str, str], *, env_file: Path | None = None) -> Settings:
    """Settings from the environment and, below it, a .env file. An empty value means the default.

    Raises SettingsError for a value that is not valid, and for a name in the file that is no setting.
    """
    names = {field.upper(): field for field in Settings.model_fields}
    in_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    problems = [_unknown(name, names) for name in in_file if name not in names]
    values = {
        field: value
        for name, field in names.items()
        if (value := environ.get(name, in_file.get(name))) not in (None, "")
    }
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [
            ": ".join(filter(None, [".".join(map(str, item["loc"])).upper(), in_plain_words(item)]))
            for item in error.errors(include_input=False)
        ]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def env_example() -> str:
    """The text of .env.example: every setting, its default and what it is for."""
    lines = [
        "# Every setting, with its default. Copy to .env and change what you need; the environment overrides .env."
    ]
    for name, field in Settings.model_fields.items():
        lines += ["", f"# {field.description}", f"{name.upper()}={_as_text(field.default)}"]
    return "\n".join(lines) + "\n"


def _unknown(name: str, known: Mapping[str, str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"{name} in .env is not a setting" + (f"; did you mean {close[0]}?" if close else "")


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
