"""The environment of this process as settings."""

import os
from pathlib import Path

from app.settings import Settings, load_settings

ENV_FILE = Path(".env")


def settings_from_environment() -> Settings:
    """Raises SettingsError."""
    return load_settings(os.environ, env_file=ENV_FILE)
