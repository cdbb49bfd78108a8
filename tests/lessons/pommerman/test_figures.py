"""Pictures of notebook 06: boards as text and back, rates, differences, and that every picture is drawn."""

import numpy as np
import pytest

from wmlib.lessons.pommerman import figures as draw
from wmlib.viz.figures import to_png


def tallies(starts=2, games=5, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(starts):
        counts = {"steps": np.full(games, 10.0), "right": np.full(games, 3700.0), "same": np.full(games, 3640.0)}
        counts |= {"kept": np.full(games, 3630.0), "exact": rng.integers(5, size=games) * 1.0, "impossible": np.zeros(games)}
        counts |= {"changed": np.full((games, 7), 10.0), "changed_right": rng.integers(4, 9, (games, 7)) * 1.0}
        counts |= {"living": np.full(games, 30.0), "drawn": np.full(games, 27.0)}
        counts |= {"near": np.full((21, 21), 50.0), "near_right": np.full((21, 21), 20.0)}
        made.append(counts)
    return made


def test_boards_as_text():
    boards = np.random.default_rng(0).integers(14, size=(3, 2, 121))
    texts = draw.pack(boards)
    assert len(texts) == 3 and len(texts[0][1]) == 121 and np.array_equal(draw.unpack(texts), boards)


def test_rates_and_gaps():
    rng, own = np.random.default_rng(0), tallies()
    assert draw.rate(own, "all right", rng).value == pytest.approx(3700 / 3720)
    right = np.mean([t["changed_right"].sum() for t in own]) / 350
    estimate = draw.rate(own, "changed right", rng)
    assert estimate.value == pytest.approx(right) and estimate.low < right < estimate.high
    assert draw.rate(own[:1], "kept", rng).value == pytest.approx(3630 / 3640)
    assert tuple(draw.gap(own, own, "changed right", rng)[:3]) == (0, 0, 0)
    hidden = [{"moved": np.full((4, 3), 8.0), "moved_right": np.full((4, 3), 6.0), "all": np.full((4, 3), 18.0),
               "right": np.full((4, 3), 15.0)}] * 2  # fmt: skip
    assert draw.hidden_rates(hidden, rng, moved=False) == [[0.9] * 3] * 3
    assert draw.hidden_rates(hidden, rng) == [[0.75] * 3] * 3 and draw.hidden_gap(hidden, None, rng).value == 0.75
    assert draw.hidden_gap(hidden, hidden, rng).value == 0


def test_all_pictures_are_drawn():
    rng, names = np.random.default_rng(0), ("copying", "MDN-LSTM", "DNC")
    all_ = {name: tallies(seed=i) for i, name in enumerate(names)}
    rows = [{**row, "kind": kind} for row, kind in zip(draw.summary(all_, rng), ("rule", "thesis", "ours"), strict=True)]
    judged = {name: [{"one": t, "ahead": [t, t]} for t in own] for name, own in all_.items()}
    boards = rng.integers(14, size=(2, 20, 121))
    dreams = {"starts": [60, 65], "truth": draw.pack(boards), "said": {"DNC": draw.pack(boards)}}
    film = {"first": 60, "truth": draw.pack(boards[0]), "said": {"DNC": draw.pack(boards[1])}}
    hidden = {"kinds": ["ammo", "kick"], "rows": {"start values": [[0, 0, 0]] * 2, "DNC": [[0.5, 0.4, 0.6]] * 2}}
    hidden["still"] = {"start values": [[1, 1, 1]] * 2, "DNC": [[0.9, 0.9, 0.9]] * 2}
    near = draw.near(all_)
    assert near["DNC"].shape == (13, 13) and near["DNC"][6, 6] == 0.4
    for figure in (
        draw.draw_scores(rows), draw.draw_groups(draw.by_group(all_)), draw.draw_ahead(draw.ahead(judged, (1, 2))),
        draw.draw_near(near), draw.draw_hidden(hidden), draw.draw_film(film, 3), draw.draw_dream(dreams, 65, 7),
        draw.draw_strip(dreams, 60, (1, 2, 20)),
    ):  # fmt: skip
        assert len(to_png(figure, dpi=40)) > 2000
