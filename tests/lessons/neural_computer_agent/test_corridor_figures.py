"""The pictures of the cue corridor from made-up data: what is drawn where."""

import numpy as np

from wmlib.lessons.neural_computer_agent import corridor_figures as figures
from wmlib.lessons.neural_computer_agent.corridor import ARMS
from wmlib.viz.figures import to_png

LEVEL = (4, 1)
SLOTS = [3, 0, 5, 1]


def draws(figure):
    assert len(to_png(figure)) > 5000
    return figure.axes


def episode():
    """An episode of four cues; after the exchange of the second and the third the doors 2 and 3 are the other's."""
    write, before, after = np.zeros((3, 9, 6))
    write[range(4), SLOTS] = 1
    before[range(5, 9), SLOTS] = 1
    after[range(5, 9), SLOTS] = 1  # the order is as it was, the contents are exchanged
    return {
        "level": list(LEVEL),
        "cues": [0, 1, 2, 3],
        "pair": [1, 2],
        "slots": SLOTS,
        "order": [3, 0, 5, 1, 2, 4],
        "write": write,
        "before": {"choices": [0, 1, 2, 3], "read": before},
        "after": {"choices": [0, 2, 1, 3], "read": after},
    }


def test_episode():
    axes = draws(figures.draw_episode((2, 3), [1, 3]))
    assert [ax.get_title(loc="left") for ax in axes] == ["cue 1", "cue 2", "corridor", "door 1: which?", "it was this one"]


def test_success_has_a_line_an_arm_and_a_mark_a_seed():
    success = {name: np.array([[1.0, 0.5], [0.9, 0.1], [1.0, 0.3]]) for name in ARMS}
    panel = {"title": "cues", "xlabel": "n", "x": [1, 12], "arms": success, "chance": [0.25, 0.0]}
    axes = draws(figures.draw_success({"panels": [panel, {**panel, "chance": None, "arms": {"DNC": success["DNC"]}}]}))
    assert [len(ax.lines) for ax in axes] == [4 * (1 + 3) + 1, 1 + 3]
    np.testing.assert_allclose(axes[1].lines[0].get_ydata(), [2.9 / 3, 0.3])


def test_updates_has_a_cross_where_a_level_was_not_mastered():
    data = {"levels": ["1", "2"], "most": 100, "arms": {"DNC": [[50, 75]], "LSTM, equal parameters": [[50, 100]]}}
    (ax,) = draws(figures.draw_updates(data))
    crosses = [line for line in ax.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert len(crosses) == 1 and crosses[0].get_ydata().tolist() == [100]


def test_the_episode_as_it_is_has_the_slots_in_the_order_of_their_cues():
    nothing = {"swap": 0.0, "unchanged": 1.0, "restart": 0.0}
    test = dict.fromkeys(("later", "first", "unused", "renamed"), nothing)
    cues, memory, doors = draws(figures.draw_swap({"episode": episode(), "tests": [{**test, "pairs": np.zeros((4, 4))}]}))[:3]
    writes, reads = (image.get_array() for image in memory.images)
    assert np.array_equal(np.argmax(writes[:, :4], 0), range(4)) and np.array_equal(np.argmax(reads[:, 5:], 0), range(4))
    assert [text.get_text() for text in cues.texts] == [text.get_text() for text in doors.texts] == ["1", "2", "3", "4"]
    assert not memory.patches


def test_swap_shows_both_walks_all_pairs_and_all_seeds():
    pairs = np.full((4, 4), 0.75)
    obeys, stays = {"swap": 0.9, "unchanged": 0.05}, {"swap": 0.0, "unchanged": 1.0}
    test = {"later": obeys, "first": {"swap": 0.1, "unchanged": 0.0, "restart": 0.8}, "unused": stays, "renamed": stays}
    axes = draws(figures.draw_swap({"episode": episode(), "tests": [{**test, "pairs": pairs}, {**test, "pairs": pairs + 0.2}]}))
    taken = [[text.get_text() for text in ax.texts] for ax in (axes[2], axes[5])]
    assert taken == [["1", "2", "3", "4"], ["1", "3", "2", "4"]]
    assert len(axes[4].patches) == 1 + 2 and not axes[1].patches  # an arrow, two framed slots
    np.testing.assert_allclose(axes[6].images[0].get_array()[0, 1], 0.85)
    (bars,) = (ax.patches for ax in axes if ax.get_title(loc="left") == "what an exchange does")
    np.testing.assert_allclose([bar.get_width() for bar in bars], [0.9, 0.05, 0.1, 0.8, 0.0, 0.0, 1.0, 0.0, 1.0])
    colors = [line.get_color() for line in axes[4].lines if list(line.get_xdata()) == [6]]  # at door 2: the content of cue 3
    assert colors == [figures.SYMBOL_COLORS[2]]
