"""Places and costs of fireballs in made-up frames, and entropies counted by hand."""

import math

import numpy as np
import pytest

from wmlib.lessons.vae import fireballs


class Frames:
    """What `survey` needs of a collection."""

    def __init__(self, frames):
        self.all = frames

    def frames(self, rows):
        return self.all[rows]


def made_up():
    """Five frames: a small ball, two of them, a small and a large one, a tiny one, and none."""
    frames = np.zeros((5, 64, 64, 3), np.uint8)
    frames[0, 10:13, 20:23] = 255
    frames[1, 30:33, 40:43] = 255
    frames[1, 30:32, 2:6] = 255
    frames[2, 5:8, 5:8] = 255
    frames[2, 40:50, 40:50] = 255
    frames[3, 60, 60] = 255
    return Frames(frames)


@pytest.mark.parametrize("chunk", [2, 1000])
def test_small_fireballs_are_found_and_those_alone_are_told(chunk, monkeypatch):
    monkeypatch.setattr(fireballs, "CHUNK", chunk)
    found = fireballs.survey(made_up(), np.array([4, 3, 2, 1, 0]))
    places = sorted(map(tuple, found["centers"].tolist()))
    assert places == [(6, 6), (11, 21), (30.5, 3.5), (31, 41)]
    assert found["singles"].tolist() == [0] and found["columns"].tolist() == [21]
    lost = 0.8**2 * 3  # of a pixel, three colours: its value is 1 and the mean of the five frames 0.2
    assert sorted(found["costs"]) == pytest.approx([8 * lost, 9 * lost, 9 * lost, 9 * lost], rel=1e-5)


def test_frames_without_fireballs_give_empty_arrays():
    found = fireballs.survey(Frames(np.zeros((3, 64, 64, 3), np.uint8)), np.arange(3))
    assert {name: values.shape for name, values in found.items()} == {
        "centers": (0, 2),
        "costs": (0,),
        "singles": (0,),
        "columns": (0,),
    }
    with pytest.raises(ValueError, match="got none"):
        fireballs.position_entropy(found["centers"])


def test_entropies_counted_by_hand():
    centers = np.array([[3, 5], [3.2, 4.9], [3, 5], [7, 5], [3, 8], [3, 8.4], [7, 8], [7, 8]])  # counts 3, 1, 2, 2
    by_hand = -(3 / 8 * math.log(3 / 8) + 1 / 8 * math.log(1 / 8) + 2 * (2 / 8) * math.log(2 / 8))
    entropy = fireballs.position_entropy(centers)
    assert entropy.plug_in == pytest.approx(by_hand)
    assert entropy.corrected == pytest.approx(by_hand + 3 / 16)
    assert fireballs.position_entropy(centers[:1]) == (0, 0)


def test_the_correction_comes_nearer_to_a_known_entropy():
    places = np.random.default_rng(0).integers(200, size=(400, 1)) * [[1, 0]]
    entropy = fireballs.position_entropy(places)
    assert entropy.plug_in < entropy.corrected < math.log(200)
    assert math.log(200) - entropy.corrected < 0.3 * (math.log(200) - entropy.plug_in)
