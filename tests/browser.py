"""A fixture: a real browser without a window, for the pages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Any]:
    """A real browser without a window."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing and "CI" not in os.environ:
        pytest.skip(f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    quiet = "disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync"
    for flag in (
        "headless",
        "no-sandbox",
        *quiet.split(),
        "window-size=1400,950",
        f"user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(f"--{flag}")
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(shutil.which("chromedriver"))))
    try:
        yield driver
    finally:
        driver.quit()
