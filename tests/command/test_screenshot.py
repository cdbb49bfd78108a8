"""Pictures of a page, and what is said where there is no browser."""

import shutil

import pytest
from PIL import Image

from wmlib.command import screenshot


def test_a_picture_shows_the_page(tmp_path):
    (tmp_path / "a page.html").write_text("<body style='background: #204080'>")
    try:
        screenshot.take(tmp_path / "a page.html", tmp_path / "picture.png", "#here", (300, 200))
    except screenshot.BrowserMissing as error:
        pytest.skip(str(error))
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (300, 200) and picture.convert("RGB").getpixel((150, 100)) == (0x20, 0x40, 0x80)


@pytest.mark.parametrize("there, missing", [((), "no Chromium"), (("chromium",), "no driver for Chromium")])
def test_a_missing_browser_is_said_with_what_to_install(monkeypatch, tmp_path, there, missing):
    pytest.importorskip("selenium")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in there else None)
    with pytest.raises(screenshot.BrowserMissing, match=f"there is {missing}: install .*apt install chromium chromium-driver"):
        screenshot.take(tmp_path / "page.html", tmp_path / "picture.png")


def test_a_driver_that_does_not_start_chromium_is_said_in_one_line(monkeypatch, tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    exceptions = pytest.importorskip("selenium.common.exceptions")

    def start(options, service):
        raise exceptions.SessionNotCreatedException("session not created: supports version 1\nCurrent version is 2")

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(webdriver, "Chrome", start)
    with pytest.raises(ValueError, match=r"^/bin/chromedriver does not start /bin/chromium \(session .* is 2\); ") as raised:
        screenshot.take(tmp_path / "page.html", tmp_path / "picture.png")
    assert "\n" not in str(raised.value)
