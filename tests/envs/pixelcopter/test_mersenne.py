"""The compiled streams against NumPy's legacy generator."""

import numpy as np
from numba import njit

from wmlib.envs.pixelcopter.mersenne import WORDS, below, next_word, seed_stream, uniform


@njit  # not kept on disk, where it would outlive changes of what it tests
def draw(words, used, seeds, lows, highs, drawn, uniforms, integers):
    for g in range(seeds.shape[0]):
        seed_stream(words, used, g, seeds[g])
        for i in range(drawn.shape[1]):
            drawn[g, i] = next_word(words, used, g)
            uniforms[g, i] = uniform(words, used, g)
            integers[g, i] = below(words, used, g, lows[i], highs[i])


def test_words_uniforms_and_integers_are_those_of_random_state_over_several_refills():
    seeds = np.array([0, 1, 24, 5489, 2**31, 2**32 - 1])
    count = 1500
    lows = np.random.default_rng(1).integers(0, 50, count)
    highs = lows + np.resize([1, 2, 3, 17, 24, 500, 2**31 - 60], count)
    drawn = np.zeros((len(seeds), count), np.int64)
    uniforms = np.zeros((len(seeds), count))
    integers = np.zeros((len(seeds), count), np.int64)
    words = np.zeros((len(seeds), WORDS), np.uint32)
    draw(words, np.zeros(len(seeds), np.int64), seeds, lows, highs, drawn, uniforms, integers)
    for g, seed in enumerate(seeds):
        numpys = np.random.RandomState(seed)
        for i in range(count):
            assert drawn[g, i] == numpys.randint(0, 2**32, dtype=np.uint32)
            assert uniforms[g, i] == numpys.random_sample()
            assert integers[g, i] == numpys.randint(lows[i], highs[i])
