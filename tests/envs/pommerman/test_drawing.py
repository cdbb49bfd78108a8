"""Pictures and text of games."""

import numpy as np
import pytest

from wmlib.envs import pommerman
from wmlib.envs.pommerman import drawing, views
from wmlib.envs.pommerman.layout import VARIANTS


def test_pictures_and_text_show_the_game(some_games):
    env = pommerman.parallel_env(render_mode="rgb_array")
    env.reset(seed=1)
    first = env.render()
    assert first.shape == (220, 220, 3) and first.dtype == np.uint8
    env.step({**dict.fromkeys(env.agents, 0), "agent_0": 4})
    changed = (env.render() != first).any(axis=2)
    assert changed[20:40, 20:60].any() and not changed[60:].any() and not changed[:, 60:].any()
    games = some_games(steps=20)
    for row in games.rows:
        plain, coloured = drawing.text(row), drawing.text(row, colour=True)
        assert [len(line) for line in plain.splitlines()[:11]] == [11] * 11 and "\x1b[" in coloured
        codes = views.full_states(row[None])[0, :121]
        assert "".join(plain.splitlines()[:11]) == "".join(drawing.SIGNS[code] for code in codes)
    shown = pommerman.parallel_env(render_mode="ansi")
    shown.reset(seed=1)
    assert "step 0" in shown.render() and pommerman.parallel_env().render() is None
    with pytest.raises(ValueError, match="cell: got 3; allowed is 8 and above"):
        drawing.picture(games.rows[0], cell=3)


def test_bombs_under_agents_and_items_can_be_told_apart_in_a_picture():
    states = np.zeros((6, 871), int)
    states[0, 0], states[1, 0], states[2, 0], states[3, 0], states[4, 0] = 6, 7, 8, 3, 10
    states[3:6, 121], states[3:6, 242], states[3:6, 484] = 5, 2, 1
    states[4, 121] = states[4, 242] = 0
    states[5, 0] = 10
    states[4:, 847 + 5] = 1  # agent 0 lives
    pictures = [drawing.picture(row) for row in pommerman.from_full_states(states, 0, VARIANTS["ffa"])]
    assert len({one.tobytes() for one in pictures}) == 6
