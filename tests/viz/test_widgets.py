"""Sliders above a picture that is drawn anew when one of them is let go."""

import io

import numpy as np
import pytest
from PIL import Image

from wmlib.viz.figures import new_figure, to_png
from wmlib.viz.widgets import explore


def plot(power, scale=1.0):
    figure, axes = new_figure(3, 2)
    axes[0, 0].plot(scale * np.array([0, 1, 2**power]))
    return figure


def test_sliders_redraw_when_let_go():
    calls = []

    def draw(**values):
        calls.append(values)
        return plot(**values)

    sliders = {"power": ("power", [1, 2, 3], 2), "scale": ("scale", [0.5, 1.0], 1.0)}
    box = explore(draw, "A curve that bends & rises", **sliders)
    power, scale, picture, text = box.children
    assert picture.value == to_png(plot(2, 1.0), dpi=96)  # drawn at once
    power.value = 3
    assert picture.value == to_png(plot(3, 1.0), dpi=96)
    scale.value = 0.5
    assert calls == [{"power": 2, "scale": 1.0}, {"power": 3, "scale": 1.0}, {"power": 3, "scale": 0.5}]
    assert not power.continuous_update and not scale.continuous_update
    assert [label for label, _ in power.options] == ["1", "2", "3"] and [label for label, _ in scale.options] == ["0.5", "1"]
    assert (power.description, scale.description) == ("power", "scale")
    assert text.value == "<small>A curve that bends &amp; rises</small>"


def test_a_picture_that_is_a_png_already_is_shown_as_it_is():
    def draw(shade):
        buffer = io.BytesIO()
        Image.new("L", (5, 3), shade).save(buffer, "PNG")
        return buffer.getvalue()

    slider, picture, _ = explore(draw, "A grey box", shade=("shade", range(0, 256, 51), 51)).children
    slider.value = 204
    assert picture.value == draw(204) != draw(51)


def test_a_start_that_is_none_of_the_values_is_an_error():
    with pytest.raises(ValueError, match=r"power: the start value 7 is not among \[1, 2\]; choose one of them"):
        explore(plot, "A curve that bends", power=("power", [1, 2], 7))
