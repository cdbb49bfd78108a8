"""The page of the published agents: opened from the disk in a browser, played, edited, and read by those who do not see it."""

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.command.screenshot import set_size
from wmlib.viz.web import build, published, starts

REPORT = "return dreamPage.report()"
PLAY = "dreamPage.steps(arguments[0]); return dreamPage.report()"
MOST_BYTES = 8_000_000
KEYS = {"ArrowRight": "\ue014", "Space": " ", "Tab": "\ue004"}  # as Selenium spells them


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page as a file."""
    return published.write_page(tmp_path_factory.mktemp("page") / "dream.html", weights.load_agent)


@pytest.fixture
def opened(page, browser):
    """A function that opens the page with what follows its address; it must not complain to the console."""

    def go(fragment=""):
        set_size(browser, 360, 800)
        browser.get("about:blank")  # or only the fragment would change
        browser.get(f"{page.as_uri()}#pause&{fragment}")
        assert browser.get_log("browser") == []
        return browser.execute_script(REPORT)

    return go


def test_the_page_is_one_small_file(page):
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < MOST_BYTES
    assert "{{" not in text and "http:" not in text and "https:" not in text
    assert all(title in text for title in published.AGENTS) and published.ABOUT in text


@pytest.mark.parametrize("agent", range(len(published.AGENTS)))
def test_a_dream_goes_on(opened, browser, agent):
    first = opened(f"agent={agent}")
    assert first["simd"] and first["step"] == 0 and first["status"].startswith("Step 0, alive")
    later = browser.execute_script(PLAY, 50)
    assert later["step"] == 50 and not later["dead"]
    pictures = np.array([first["picture"], later["picture"]])
    assert np.isfinite(later["latents"]).all() and pictures.min() >= 0 and pictures.max() <= 1
    assert np.abs(pictures[1] - pictures[0]).max() > 0.1, "the picture changes"
    again = opened(f"agent={agent}&steps=50")
    assert again["latents"] == later["latents"], "the same number, the same dream"
    other = opened(f"agent={agent}&steps=50&number=1")
    assert other["latents"] != later["latents"]
    assert browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_an_erased_slot_moves_the_twin_and_not_the_original(opened, browser):
    plain = opened("steps=80")
    edited = opened("steps=60&erase=3&more=20")
    assert edited["latents"] == plain["latents"] and edited["step"] == 80
    assert 0 < edited["distance"] < 2 and edited["twin"] != edited["latents"]
    assert "edited dream alive, distance" in edited["status"]
    browser.find_element("id", "end-twin").click()
    assert browser.execute_script(REPORT)["twin"] is None


def test_the_captions_name_the_edits_that_are_left_and_their_steps(opened, browser):
    def captions():
        return [browser.find_element("id", name).get_attribute("textContent") for name in ("twin-caption", "distance-caption")]

    opened("agent=1&steps=3&erase=3&more=2")
    assert captions()[0] == "The same random draws, slot 4 erased at step 3: alive."
    browser.find_element("id", "zeroH").click()
    browser.find_element("id", "step").click()
    browser.find_element("id", "zeroReads").click()
    both = "slot 4 erased at step 3, h zeroed at step 5"
    assert all(f"{both}, its reads zeroed at step 6" in caption for caption in captions())
    browser.find_element("id", "zeroReads").click()
    assert captions()[0] == f"The same random draws, {both}: alive." and f"({both})" in captions()[1]


@pytest.mark.parametrize("edit", ["zeroReads", "freezeMemory", "zeroH"])
def test_what_is_switched_off_moves_the_twin(opened, browser, edit):
    assert opened(f"agent=1&steps=30&edit={edit}")["distance"] > 1e-3
    state = browser.execute_script("return [session.twin.state, session.original.state].map(s => ({...s}))")
    part = {"zeroReads": "reads", "freezeMemory": "write", "zeroH": "h"}[edit]
    assert not any(state[0][part]) and any(state[1][part])


def test_an_lstm_dreams_without_the_part_of_the_memory(lstm_agent, tmp_path, browser):
    from selenium.webdriver.support.select import Select

    torch.nn.init.constant_(lstm_agent.world_model.done.bias, -9)  # or it dies at once
    recorded = starts.read()
    first = recorded["starts"]["controller"]
    agents = {"LSTM": lstm_agent, "DNC": weights.load_agent("controller")}
    html = build.build_page(agents, {"LSTM": first, "DNC": first, "game": recorded["game"]}, 1.0, "")
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    browser.get(f"{(tmp_path / 'page.html').as_uri()}#pause&steps=5&edit=zeroH&erase=2")
    parts = ["memory", "freezeMemory", "erase-all", "writes", "zeroH"]

    def shown():
        return [part for part in parts if browser.find_element("id", part).is_displayed()]

    report = browser.execute_script(REPORT)
    assert report["step"] == 5 and report["distance"] > 0 and shown() == ["zeroH"]
    agent = Select(browser.find_element("id", "agent"))
    agent.select_by_visible_text("DNC")
    assert shown() == parts and len(browser.find_elements("css selector", "#slots button")) == 16
    browser.find_element("id", "freezeMemory").click()
    agent.select_by_visible_text("LSTM")
    assert browser.execute_script(PLAY, 5)["distance"] > 0 and shown() == ["zeroH"]
    assert not browser.find_element("id", "freezeMemory").is_selected()
    assert browser.get_log("browser") == []


def test_it_is_played_by_keys_alone(opened, browser):
    from selenium.webdriver.common.action_chains import ActionChains

    opened("agent=1")
    checked = "return document.getElementById('agent-plays').checked"
    assert browser.execute_script(checked)
    held = "return held.right"
    ActionChains(browser).key_down(KEYS["ArrowRight"]).perform()
    assert browser.execute_script(held) and not browser.execute_script(checked), "who moves has taken over"
    ActionChains(browser).key_up(KEYS["ArrowRight"]).send_keys(KEYS["Space"]).perform()
    report = browser.execute_script(REPORT)
    assert not browser.execute_script(held) and not report["playing"] and report["status"].endswith("paused")
    reached = set()
    for _ in range(40):
        ActionChains(browser).send_keys(KEYS["Tab"]).perform()
        reached.add(browser.execute_script("return document.activeElement.id || document.activeElement.textContent"))
    wanted = {"left", "right", "pause", "step", "restart", "new", "agent-plays", "temperature", "agent"}
    wanted |= {"zeroReads", "freezeMemory", "zeroH", "erase-all", "Erase slot 1", "Erase slot 16"}
    assert wanted <= reached
    before = browser.execute_script(REPORT)["step"]
    browser.find_element("id", "step").send_keys(KEYS["Space"])
    assert browser.execute_script(REPORT)["step"] == before + 1


def test_it_is_played_by_touch(opened, browser):
    from selenium.webdriver.common.action_chains import ActionChains

    opened("agent=1")
    dream = browser.find_element("id", "dream")
    sides = "return [held.left, held.right]"
    quarter = dream.size["width"] // 4
    for offset, held in ((-quarter, [True, False]), (quarter, [False, True])):
        ActionChains(browser).move_to_element_with_offset(dream, offset, 0).click_and_hold().perform()
        assert browser.execute_script(sides) == held
        ActionChains(browser).release().perform()
        assert browser.execute_script(sides) == [False, False]


def test_a_best_score_is_kept_for_one_player_at_one_temperature(opened, browser):
    opened("agent=1&temperature=0.5&number=3")
    end = "session.original.dead = true; keepScore(); draw(); return document.getElementById('scores').textContent"
    browser.execute_script(PLAY, 12)
    assert "Best at temperature 0.50: you –, the agent 12." in browser.execute_script(end)
    opened("agent=1&temperature=0.5&number=3")
    assert "you –, the agent 12." in browser.execute_script("return document.getElementById('scores').textContent")
    browser.execute_script("dreamPage.steps(20); temperature = 0.6; dreamPage.steps(3)")
    assert "temperature 0.60: you –, the agent –." in browser.execute_script(end)


def test_it_stands_still_for_readers_who_asked_for_that_and_fits_every_screen(page, calm_browser):
    calm_browser.get(f"{page.as_uri()}#steps=5&erase=0")
    assert not calm_browser.execute_script(REPORT)["playing"]
    for width in (360, 900, 1600):
        set_size(calm_browser, width, 800)
        assert calm_browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_what_is_seen_is_also_said(opened, browser):
    ball = """
    const picture = new Float32Array(64 * 64 * 3).fill(0.2);
    for (let y = 20; y < 30; y++) { picture.fill(0.9, 3 * (64 * y + 50), 3 * (64 * y + 62)); }
    return [fireballText(picture), fireballText(picture.fill(0.2))];"""
    opened("agent=1&steps=3")
    assert browser.execute_script(ball) == ["a fireball fills 3 % of the picture, on the right", "no fireball near"]
    spoken = browser.find_element("id", "spoken")
    assert spoken.get_attribute("aria-live") == "polite" and spoken.get_attribute("textContent").startswith("step 3, alive")
    named = "return [...document.querySelectorAll('canvas')].every((canvas) => canvas.getAttribute('aria-label'))"
    assert browser.execute_script(named)


def test_a_notebook_shows_the_page_or_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "published_page", lambda load: "<p>a page</p>")
    widget = published.show_page(tmp_path / "build/a b/dream.html", None, tmp_path)
    text = "".join(child.value for child in widget.children)
    assert '<iframe src="/files/build/a%20b/dream.html" title="A dream to play"' in text
    assert (tmp_path / "build/a b/dream.html").read_text() == "<p>a page</p>"
    outside = published.show_page(tmp_path / "dream.html", None, tmp_path / "elsewhere")
    assert "iframe" not in outside.value and str(tmp_path / "dream.html") in outside.value
