"""A page as PDF or PNG, made by a browser that is installed: it prints exactly what it shows."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from hil.errors import SetupError

__all__ = ["BROWSERS", "print_page", "require_browser"]

BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
_PATIENCE_S: Final = 120.0
_SCRIPTS_MS: Final = 20_000
"""The time that scripts get at most, before the page is printed as it is."""
_WIDTH: Final = 1280
_HEIGHT: Final = 2400


def require_browser() -> str:
    """Return the path of a browser that prints pages. Raises: SetupError if there is none."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path is not None:
            return path
    raise SetupError(
        "a PDF or PNG of a page is made by Chromium or Chrome, and none is installed",
        remedy="apt install chromium; or open the HTML page in any browser and print it",
    )


def print_page(page: Path, file: Path) -> None:
    """Print a page to a new file: `.pdf`, all of it; `.png`, its upper part as a browser shows it.
    Raises: SetupError if there is no browser, or it fails."""
    browser = require_browser()
    draft = file.with_name(f"{file.stem}.new{file.suffix}").resolve()
    order = [f"--print-to-pdf={draft}", "--no-pdf-header-footer"]
    if file.suffix == ".png":
        order = [f"--screenshot={draft}", f"--window-size={_WIDTH},{_HEIGHT}", "--hide-scrollbars"]
    with tempfile.TemporaryDirectory(prefix="hil-browser-") as profile:
        words = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--virtual-time-budget={_SCRIPTS_MS}",
            f"--user-data-dir={profile}",
            *order,
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_PATIENCE_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupError(f"{browser} did not print {page}: {error}") from error
    if not draft.is_file():
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise SetupError(f"{browser} did not print {page}: {last[0]}")
    draft.replace(file)
