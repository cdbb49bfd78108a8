"""The buttons of a playable world."""

import gymnasium
import numpy as np

from wmlib.viz.play import playable


class Counter(gymnasium.vector.VectorEnv):
    """Ends after seven steps."""

    def reset(self, **options):
        self.actions, self.count = [], 0
        return None, {}

    def step(self, actions):
        self.actions.append(int(actions[0]))
        self.count += 1
        return None, np.ones(1), np.array([self.count % 7 == 0]), np.array([False]), {}

    def render(self):
        return (np.full((64, 64, 3), min(255, self.count), np.uint8),)


def test_a_press_repeats_its_action_and_an_end_is_said():
    env = Counter()
    widget = playable(env, {"left": 0, "right": 2}, steps=4, alt="a counter, grey < white")
    assert widget.children[3].value == "<small>a counter, grey &lt; white</small>"
    picture, (left, right), text = widget.children[0], widget.children[1].children, widget.children[2]
    before = picture.value
    right.click()
    assert env.actions == [2] * 4 and text.value == "<b>4 steps</b>" and picture.value != before
    left.click()
    assert env.actions == [2] * 4 + [0] * 3 and "dead after 7 steps" in text.value
    left.click()
    assert text.value == "<b>4 steps</b>"
