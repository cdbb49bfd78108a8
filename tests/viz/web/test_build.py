"""What the page is made of: numbers that survive the way through text, and one file that fetches nothing."""

import json
import re

import numpy as np
import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.models.feedforward import FeedForward
from wmlib.viz.web import build

READ_FLOATS = "function main(packed) { return Array.from(floatsOf(packed), (x) => (Object.is(x, -0) ? '-0' : String(x))); }"


def test_all_numbers_of_half_precision_survive(javascript):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = torch.from_numpy(halves[np.isfinite(halves)].astype(np.float32))
    packed = build.pack(finite)
    assert packed["type"] == "half"
    assert [float(text) for text in javascript(READ_FLOATS, packed)] == finite.tolist()


def test_other_numbers_stay_in_single_precision(javascript):
    numbers = torch.tensor([1 / 3, 1e-9, -3e38, 70000.0])
    packed = build.pack(numbers)
    assert packed["type"] == "float" and packed["shape"] == [4]
    assert np.float32(javascript(READ_FLOATS, packed)).tolist() == numbers.tolist()


def test_chance_is_repeated_by_its_seed_and_has_the_right_moments(javascript):
    body = """
    function main(seeds) {
      return seeds.map((seed) => {
        const chance = new Chance(seed);
        const uniform = Array.from({ length: 20000 }, () => chance.uniform());
        return [uniform, Array.from({ length: 20000 }, () => chance.normal())];
      });
    }"""
    (uniform, normal), again, other = javascript(body, [3, 3, 4])
    assert (uniform, normal) == tuple(again) and uniform != other[0]
    assert 0 < min(uniform) and max(uniform) <= 1
    assert abs(np.mean(uniform) - 0.5) < 0.01 and abs(np.var(uniform) - 1 / 12) < 0.003
    assert abs(np.mean(normal)) < 0.03 and abs(np.var(normal) - 1) < 0.05 and abs(np.mean(np.power(normal, 4)) - 3) < 0.3


def test_what_the_page_cannot_run_is_refused():
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(ValueError, match="core is a FeedForward; the page runs an LSTM or a DNC"):
        build.core_record(FeedForward(3, 4, None, generator=generator))
    with pytest.raises(ValueError, match="link 'sparse'; the page runs 'full' and 'none'"):
        build.core_record(DNC(3, 4, 5, 6, generator=generator, link="sparse"))
    with pytest.raises(ValueError, match="starts has none for 'an agent'; it has game"):
        build.build_page({"an agent": None}, {"game": {}}, 1.0, "")


def test_data_cannot_end_its_element():
    text = build.as_json({"a": "</script><script>", "b": [1.5]})
    assert "<" not in text and json.loads(text) == {"a": "</script><script>", "b": [1.5]}


def test_every_place_of_the_template_is_filled():
    parts = {"style": "a {}", "data": "{}", "script": "let x;"}
    page = build.fill(parts)
    assert "{{" not in page and all(part in page for part in parts.values())
    assert not re.search(r"\b(src|href)=[\"'](?!data:|#)", page) and "@import" not in page, "the page fetches nothing"


TEXTS = {
    "page.css": [("ink", "paper"), ("ink", "sunk"), ("quiet", "raised"), ("quiet", "sunk"), ("on-mark", "mark")],
    "small.css": [(text, ground) for text in ("ink", "quiet", "link") for ground in ("paper", "sunk")],
}
MARKS = {
    "page.css": [(mark, "sunk") for mark in ("mark", "edit", "line", "quiet")],
    "small.css": [
        *(("goal", "floor"), ("agent", "floor"), ("wall", "floor"), ("wall", "paper"), ("wrong", "floor"), ("wrong", "wall")),
        *((mark, ground) for mark in ("write", "read", "edge") for ground in ("paper", "sunk")),
    ],
}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", TEXTS)
def test_text_and_marks_stand_out(contrast, name, scheme):
    css = (build.FOLDER / name).read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\S+): (#\w{6})", block))
    for text, ground in TEXTS[name]:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for mark, ground in MARKS[name]:
        assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
