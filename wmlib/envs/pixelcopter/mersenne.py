"""NumPy's legacy generator `RandomState`, compiled: many streams at once, each equal to NumPy's word by word.

Reading guide. A stream is a row of 624 words and the number of those used; `seed_stream` fills it as `RandomState(seed)` does,
and `uniform` and `below` draw as its `random_sample` and `randint` do. All numbers are computed as int64 and masked.

Source: Matsumoto & Nishimura 1998, MT19937, with the seeding of 2002; NumPy's legacy generator draws from it (`RULES.md`, 3).
"""

import numpy as np

from wmlib.envs.compiled import inlined, inner

WORDS = 624
AHEAD = 397
MASK = 0xFFFFFFFF
UPPER = 0x80000000
LOWER = 0x7FFFFFFF
TWIST = 0x9908B0DF


@inner
def seed_stream(words, used, g, seed):
    """Make stream g that of `RandomState(seed)`.

    Args:
        words: uint32 (B, 624).
        used: int64 (B,), how many words of the 624 are used up.
        g: number of the stream.
        seed: 0 … 2^32 - 1.
    """
    word = seed
    words[g, 0] = word
    for i in range(1, WORDS):
        word = (1812433253 * (word ^ (word >> 30)) + i) & MASK
        words[g, i] = word
    used[g] = WORDS


@inlined
def _twisted(high, low, ahead):
    mixed = (high & UPPER) | (low & LOWER)
    return ahead ^ (mixed >> 1) ^ (-(mixed & 1) & TWIST)


@inner
def _refill(words, g):
    for i in range(WORDS - AHEAD):
        words[g, i] = _twisted(np.int64(words[g, i]), np.int64(words[g, i + 1]), np.int64(words[g, i + AHEAD]))
    for i in range(WORDS - AHEAD, WORDS - 1):
        words[g, i] = _twisted(np.int64(words[g, i]), np.int64(words[g, i + 1]), np.int64(words[g, i + AHEAD - WORDS]))
    last = WORDS - 1
    words[g, last] = _twisted(np.int64(words[g, last]), np.int64(words[g, 0]), np.int64(words[g, AHEAD - 1]))


@inlined
def next_word(words, used, g):
    """Draw the next 32 bits of stream g."""
    if used[g] >= WORDS:
        _refill(words, g)
        used[g] = 0
    word = np.int64(words[g, used[g]])
    used[g] += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return word ^ (word >> 18)


@inlined
def uniform(words, used, g):
    """Draw a float64 in [0, 1) from stream g, as `random_sample` does."""
    high = next_word(words, used, g) >> 5
    low = next_word(words, used, g) >> 6
    return (high * 67108864 + low) / 9007199254740992.0


@inlined
def below(words, used, g, low, high):
    """Draw a whole number from low to high, which is excluded, as `randint(low, high)` does."""
    most = high - 1 - low
    if most == 0:
        return low
    mask = most
    for shift in (1, 2, 4, 8, 16):
        mask |= mask >> shift
    drawn = next_word(words, used, g) & mask
    while drawn > most:
        drawn = next_word(words, used, g) & mask
    return low + drawn
