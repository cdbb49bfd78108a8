"""A picture of a page in Chromium without a window, for README.md: what a reader will see, taken by a command.

Reading guide. `open_browser` finds Chromium and its driver or says what to install; the tests of the page use it too. `take`
opens a page from the disk and writes what the window shows.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from wmlib.experiment.atomic import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TO_INSTALL = (
    "install Chromium and its driver (Debian, Ubuntu: apt install chromium chromium-driver; and pip install -e '.[dev]')"
)
SHOWN = "#steps=140&erase=4&more=60&pause"  # what the picture shows, see page.js
SIZE = (1200, 760)  # pixels
COLOURS = 128  # of the PNG, which so stays small


class BrowserMissing(ValueError):
    """There is no Chromium, no driver for it, or no Selenium; the message says what to install."""


@contextmanager
def open_browser(size: tuple[int, int] = SIZE, calm: bool = False) -> Iterator[Any]:
    """Open Chromium without a window, driven by Selenium.

    Args:
        size: of the page, in pixels.
        calm: as for readers who asked their system for less motion.

    Raises:
        BrowserMissing: with what to install.
        ValueError: the driver does not start Chromium, as when their versions differ.
    """
    try:
        from selenium import webdriver
        from selenium.common.exceptions import SessionNotCreatedException
    except ModuleNotFoundError:
        raise BrowserMissing(f"there is no Selenium: {TO_INSTALL}") from None
    chromium = next((path for path in map(shutil.which, BROWSERS) if path), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        raise BrowserMissing(f"there is no {'driver for Chromium' if chromium else 'Chromium'}: {TO_INSTALL}")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars", *root):
        options.add_argument(argument)
    media = {
        "prefers-color-scheme": "light",
        "prefers-reduced-motion": "reduce" if calm else "no-preference",
    }
    features = [{"name": name, "value": value} for name, value in media.items()]
    try:
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    except SessionNotCreatedException as error:
        reason = " ".join(str(error.msg).partition("; For documentation")[0].split())
        raise ValueError(f"{driver} does not start {chromium} ({reason}); their versions must agree: {TO_INSTALL}") from None
    with browser:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        set_size(browser, *size)
        yield browser


def set_size(browser: Any, width: int, height: int) -> None:
    """Give an open browser's page a size, in pixels."""
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def take(page: Path, picture: Path, fragment: str = SHOWN, size: tuple[int, int] = SIZE) -> None:
    """Write a PNG of a page that lies on the disk.

    Args:
        page: HTML file.
        picture: file to write.
        fragment: what follows the address, with its #.
        size: of the picture, in pixels.

    Raises:
        BrowserMissing, ValueError: see `open_browser`.
        WriteError: the picture cannot be written.
    """
    with open_browser(size) as browser:
        browser.get(page.resolve().as_uri() + fragment)
        data = base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"])
    shown = Image.open(io.BytesIO(data)).convert("RGB")
    few = shown.quantize(COLOURS, dither=Image.Dither.NONE)
    write_atomically(picture, lambda temporary: few.save(temporary, "PNG", optimize=True))
