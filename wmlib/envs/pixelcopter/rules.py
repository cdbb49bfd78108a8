"""The rules of Pixelcopter, compiled, over arrays that hold many games.

Reading guide. `_advance` is one frame of one game, in the order of `RULES.md`, whose sections the numbers name; `_begin` starts
an episode. `step_games` plays a frame of every game, `start_games` starts some of them.

A game g is a row in each of these arrays:
`bodies` float64 (B, 4): the player's y and velocity, the x of one or two blocks;
`facts` int64 (B, 8): see the names below;
`heights` int16 (B, 2, COLUMNS): the middle of each terrain column, of the older and of the newer batch;
`words` uint32 (B, 624) and `used` int64 (B,): its stream of random numbers.

Source: the rules are the reference's, PyGame-Learning-Environment's Pixelcopter; the code is ours.
"""

import math

import numpy as np

from wmlib.envs.compiled import inlined, inner, outer
from wmlib.envs.pixelcopter.geometry import (
    AMPLITUDE,
    AT_PLAYER,
    AT_PLAYER_END,
    BLOCK_HEIGHT,
    BLOCK_WIDTH,
    BLOCK_X_HIGH,
    BLOCK_X_LOW,
    BLOCK_Y_HIGH,
    BLOCK_Y_LOW,
    BOTTOM_BOUND,
    CLIMB,
    COLUMN_WIDTH,
    COLUMNS,
    FALL,
    FEW_COLUMNS,
    FIRST,
    FREQUENCY,
    HALF_GAP,
    IMAGE_HEIGHT,
    LATER_ROW,
    MAX_STEPS,
    MIDDLE,
    NOMINAL_HEIGHT,
    PLAYER_HEIGHT,
    PLAYER_WIDTH,
    PLAYER_X,
    ROUNDS,
    SCROLL,
    START_Y,
    TOP_BOUND,
    WIDTH,
)
from wmlib.envs.pixelcopter.mersenne import WORDS, below, seed_stream, uniform

UP, NOTHING = 0, 1  # actions
DAMPING = 0.99
CRASH = -5

Y, VELOCITY, BLOCK_X, NUM_BODIES = 0, 1, 2, 4  # BLOCK_X + b is block b
BLOCKS, BLOCK_Y, OLDER, NEWER, SCORE, LIVES, STEPS, NUM_FACTS = 0, 1, 3, 4, 5, 6, 7, 8  # OLDER, NEWER: rows of `scroll`

KEEP = -1  # instead of a seed: go on with the stream as it is


@inlined
def whole(x, rounds):
    """8: put a coordinate on a whole pixel, towards zero, or to the nearest with halves away from zero."""
    pixel = np.int64(x)
    rest = x - pixel
    if rounds and rest >= 0.5:
        pixel += 1
    if rounds and rest <= -0.5:
        pixel -= 1
    return pixel


@inner
def _new_terrain(sizes, numbers, facts, heights, words, used, g, start):
    """4: draw a batch of columns from x = start on; the older batch has left, so the newer one takes its place."""
    columns = sizes[COLUMNS]
    for k in range(columns):
        heights[g, 0, k] = heights[g, 1, k]
    facts[g, OLDER] = facts[g, NEWER]
    facts[g, NEWER] = sizes[LATER_ROW] if start else 0
    frequency = numbers[FREQUENCY] + (-0.01 + (0.01 - -0.01) * uniform(words, used, g))
    x = start + sizes[COLUMN_WIDTH] // 2
    for k in range(columns):
        phase = 0.5 * uniform(words, used, g)
        heights[g, 1, k] = np.int64(numbers[MIDDLE] + numbers[AMPLITUDE] * math.sin(frequency * x + phase))
        x += sizes[COLUMN_WIDTH]


@inlined
def _new_block(sizes, bodies, facts, words, used, g, b):
    """3.1: draw the centre of a block."""
    bodies[g, BLOCK_X + b] = below(words, used, g, sizes[BLOCK_X_LOW], sizes[BLOCK_X_HIGH])
    facts[g, BLOCK_Y + b] = below(words, used, g, sizes[BLOCK_Y_LOW], sizes[BLOCK_Y_HIGH])


@inner
def _begin(sizes, numbers, scroll, bodies, facts, heights, words, used, g):
    """3: start an episode."""
    bodies[g, Y] = numbers[START_Y]
    bodies[g, VELOCITY] = 0.0
    facts[g, SCORE] = 0
    facts[g, LIVES] = 1
    facts[g, STEPS] = 0
    facts[g, BLOCKS] = 1
    _new_block(sizes, bodies, facts, words, used, g, 0)
    facts[g, NEWER] = scroll.shape[0] - 1  # all its columns have left: no batch before the first
    _new_terrain(sizes, numbers, facts, heights, words, used, g, 0)


@inlined
def _crashes_into_blocks(sizes, bodies, facts, g, left, top):
    """6.4: count the blocks whose box overlaps the player's, which has this left and top edge."""
    hits = 0
    for b in range(facts[g, BLOCKS]):
        block_left = whole(bodies[g, BLOCK_X + b], sizes[ROUNDS]) - (sizes[BLOCK_WIDTH] >> 1)
        block_top = facts[g, BLOCK_Y + b] - (sizes[BLOCK_HEIGHT] >> 1)
        across = block_left < left + sizes[PLAYER_WIDTH] and left < block_left + sizes[BLOCK_WIDTH]
        if across and block_top < top + sizes[PLAYER_HEIGHT] and top < block_top + sizes[BLOCK_HEIGHT]:
            hits += 1
    return hits


@inlined
def _crashes_into_terrain(sizes, numbers, scroll, heights, g, batch, row, y, top):
    """6.4: count the ceilings and floors that the player touches, of the columns whose box overlaps its own."""
    hits = 0
    for k in range(scroll[row, AT_PLAYER], scroll[row, AT_PLAYER_END]):
        middle = np.int64(heights[g, batch, k])
        image_top = middle - (sizes[IMAGE_HEIGHT] >> 1)
        if image_top < top + sizes[PLAYER_HEIGHT] and top < image_top + sizes[IMAGE_HEIGHT]:
            if y - numbers[NOMINAL_HEIGHT] <= middle - numbers[HALF_GAP]:
                hits += 1
            if y >= middle + numbers[HALF_GAP]:
                hits += 1
    return hits


@inlined
def _pass_blocks(sizes, bodies, facts, words, used, g):
    """6.5: a block behind the player is a point and brings the next one; a block that has left is gone. Return the points."""
    points = 0
    count = facts[g, BLOCKS]
    kept = 0
    fresh_x = 0.0
    fresh_y = np.int64(0)
    for b in range(facts[g, BLOCKS]):
        x = bodies[g, BLOCK_X + b]
        if x <= sizes[PLAYER_X] and count == 1:
            points += 1
            count += 1
            fresh_x = np.float64(below(words, used, g, sizes[BLOCK_X_LOW], sizes[BLOCK_X_HIGH]))
            fresh_y = below(words, used, g, sizes[BLOCK_Y_LOW], sizes[BLOCK_Y_HIGH])
        if x <= -sizes[BLOCK_WIDTH]:
            count -= 1
        else:
            bodies[g, BLOCK_X + kept] = x
            facts[g, BLOCK_Y + kept] = facts[g, BLOCK_Y + b]
            kept += 1
    if points:
        bodies[g, BLOCK_X + kept] = fresh_x
        facts[g, BLOCK_Y + kept] = fresh_y
    facts[g, BLOCKS] = count
    return points


@inlined
def _advance(sizes, numbers, scroll, bodies, facts, heights, words, used, g, action):
    """6: play one frame of game g; return its reward, and whether the game is over."""
    columns = sizes[COLUMNS]
    # 6.3 motion
    velocity = bodies[g, VELOCITY] + (numbers[CLIMB] if action == UP else numbers[FALL])
    velocity = velocity * DAMPING
    y = bodies[g, Y] + velocity
    bodies[g, VELOCITY] = velocity
    bodies[g, Y] = y
    for b in range(facts[g, BLOCKS]):
        bodies[g, BLOCK_X + b] -= numbers[SCROLL]
    older = facts[g, OLDER]
    newer = facts[g, NEWER]
    gone = np.int64(scroll[older, FIRST]) + scroll[newer, FIRST]
    older += scroll[older, FIRST] < columns  # the last row of a batch is the one in which all have left
    newer += scroll[newer, FIRST] < columns
    facts[g, OLDER] = older
    facts[g, NEWER] = newer
    # 6.4 collisions
    left = sizes[PLAYER_X] - (sizes[PLAYER_WIDTH] >> 1)
    top = whole(y, sizes[ROUNDS]) - (sizes[PLAYER_HEIGHT] >> 1)
    hits = _crashes_into_blocks(sizes, bodies, facts, g, left, top)
    hits += _crashes_into_terrain(sizes, numbers, scroll, heights, g, 0, older, y, top)
    hits += _crashes_into_terrain(sizes, numbers, scroll, heights, g, 1, newer, y, top)
    # 6.5 blocks
    reward = _pass_blocks(sizes, bodies, facts, words, used, g)
    # 6.6 columns, bounds
    gone_now = np.int64(scroll[older, FIRST]) + scroll[newer, FIRST]
    reward += gone_now - gone
    hits += y < numbers[TOP_BOUND]
    hits += y > numbers[BOTTOM_BOUND]
    # 6.7 terrain
    if 2 * columns - gone_now <= FEW_COLUMNS:
        _new_terrain(sizes, numbers, facts, heights, words, used, g, sizes[WIDTH])
    # 6.8 the end
    if hits:
        reward += CRASH
    facts[g, LIVES] = 1 - hits
    facts[g, SCORE] += reward
    facts[g, STEPS] += 1
    return reward, hits > 0


@inlined
def _restart(sizes, numbers, scroll, bodies, facts, heights, words, used, level, g):
    """Start an episode, on the fixed level where there is one: `level` is int64 (625,), a stream, or of length 0."""
    if level.shape[0]:
        for i in range(WORDS):
            words[g, i] = level[i]
        used[g] = level[WORDS]
    _begin(sizes, numbers, scroll, bodies, facts, heights, words, used, g)


@outer
def step_games(
    sizes,
    numbers,
    scroll,
    bodies,
    facts,
    heights,
    words,
    used,
    level,
    actions,
    rewards,
    terminated,
    truncated,
):
    """Play a frame of every game; one that had ended starts anew instead. Return the first game with a wrong action, or -1."""
    for g in range(actions.shape[0]):
        if actions[g] != UP and actions[g] != NOTHING:
            return g
    for g in range(actions.shape[0]):
        if terminated[g] or truncated[g]:
            _restart(sizes, numbers, scroll, bodies, facts, heights, words, used, level, g)
            rewards[g] = 0.0
            terminated[g] = False
            truncated[g] = False
        else:
            reward, over = _advance(sizes, numbers, scroll, bodies, facts, heights, words, used, g, actions[g])
            rewards[g] = reward
            terminated[g] = over
            truncated[g] = not over and facts[g, STEPS] == sizes[MAX_STEPS]
    return -1


@outer
def start_games(sizes, numbers, scroll, bodies, facts, heights, words, used, level, seeds):
    """Start an episode in every game, with a new stream where seeds, int64 (B,), has one and not `KEEP`."""
    for g in range(seeds.shape[0]):
        if seeds[g] != KEEP:
            seed_stream(words, used, g, seeds[g])
        _restart(sizes, numbers, scroll, bodies, facts, heights, words, used, level, g)
