"""The folders that pytest's command line names: they begin where pytest was started, and are tried
before the first test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import pytest

__all__ = ["FOLDER_OPTIONS", "check_output_folders"]

FOLDER_OPTIONS: Final = ("--hil-recordings", "--hil-allure")


def check_output_folders(config: pytest.Config) -> None:
    """Create each folder that an option names, and write into it. Raises: pytest.UsageError for one
    in which that is not possible."""
    for option in FOLDER_OPTIONS:
        if folder := config.getoption(option):
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                why = "it is a file" if Path(folder).is_file() else error.strerror
                raise pytest.UsageError(
                    f"{option}: cannot write into the folder {folder}: {why}; "
                    "name one that can be created and written"
                ) from None
