"""Boards as text and back."""

import numpy as np

from wmlib.lessons.pommerman.board_text import pack, pack_dreams, pack_film, unpack


def test_boards_come_back():
    boards = np.random.default_rng(0).integers(14, size=(3, 2, 121))
    texts = pack(boards)
    assert len(texts) == 3 and len(texts[0][1]) == 121 and np.array_equal(unpack(texts), boards)
    assert pack(np.array([0, 9, 10, 13])) == "09ad"


def test_a_film_and_its_dreams_are_packed():
    boards = np.random.default_rng(0).integers(14, size=(4, 20, 121))
    film = {"truth": boards[0], "predicted": {"DNC": boards[1]}, "dream_truth": boards[2:], "dreamt": {"DNC": boards[:2]}}
    film["starts"] = np.array([60, 65])
    packed = pack_film(film, 60)
    assert packed["first_step"] == 60 and np.array_equal(unpack(packed["predicted"]["DNC"]), boards[1])
    dreams = pack_dreams(film)
    assert np.array_equal(unpack(dreams["truth"]), boards[2:]) and list(dreams["starts"]) == [60, 65]
