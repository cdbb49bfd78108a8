"""What is seen of a game: its picture, in colours or in grey, and the seven numbers.

Reading guide. `draw_games` paints one picture a game. The terrain of a screen column is a green ceiling that ends in one row
and a green floor that starts in another, so two rows of the scratch array `edges` say everything about it, and each row of
the picture is one comparison with both. Player and blocks are painted on top. `describe_games` computes the seven numbers.

Source: the reference's pictures and numbers (`RULES.md`, 7 and 9); the grey levels are those of Pillow's mode "L".
"""

import numpy as np

from wmlib.envs.compiled import inlined, inner, outer
from wmlib.envs.pixelcopter.geometry import (
    AT_PLAYER,
    AT_PLAYER_END,
    BLOCK_HEIGHT,
    BLOCK_WIDTH,
    CEILING_END,
    COLUMN_WIDTH,
    FIRST,
    FLOOR_START,
    HALF_GAP,
    HEIGHT,
    IMAGE_HEIGHT,
    PLAYER_HEIGHT,
    PLAYER_WIDTH,
    PLAYER_X,
    ROUNDS,
    SHOWN_END,
    WIDTH,
)
from wmlib.envs.pixelcopter.rules import BLOCK_X, BLOCK_Y, BLOCKS, NEWER, OLDER, VELOCITY, Y, whole

GREEN = (120, 240, 80)
WHITE = 255  # in every channel
GREY = 186  # of green
NUM_STATE = 7


def pattern_of(width: int, channels: int) -> np.ndarray:
    """Return a row of terrain, uint8 (width · channels,): channels is 3 for colours or 1 for grey."""
    return np.tile(np.array(GREEN if channels == 3 else [GREY], np.uint8), width)


def edges_of(width: int, height: int, channels: int) -> np.ndarray:
    """Return scratch space for `draw_games`, (2, width · channels): bytes where they can number all rows."""
    return np.zeros((2, width * channels), np.uint8 if height < 255 else np.uint16)


@inlined
def _mark_terrain(sizes, scroll, lefts, heights, g, batch, row, channels, edges):
    """Note in which row the ceiling ends (edges[0]) and how many rows below the floor starts (edges[1]), at every column."""
    above = (sizes[IMAGE_HEIGHT] >> 1) - sizes[CEILING_END]
    below = sizes[FLOOR_START] - (sizes[IMAGE_HEIGHT] >> 1)
    for k in range(scroll[row, FIRST], scroll[row, SHOWN_END]):
        ceiling = heights[g, batch, k] - above
        floor = heights[g, batch, k] + below
        left = np.int64(lefts[row, k])
        for i in range(max(left, 0) * channels, min(left + sizes[COLUMN_WIDTH], sizes[WIDTH]) * channels):
            edges[0, i] = max(np.int64(edges[0, i]), ceiling)
            edges[1, i] = min(np.int64(edges[1, i]), floor)


@inner
def _paint_terrain(pattern, edges, rows, g, pictures):
    for y in range(pictures.shape[1]):
        at = rows[y]  # of the dtype of edges, so that many pixels are compared at once
        for i in range(pictures.shape[2]):
            green = (at < edges[0, i]) | (at >= edges[1, i])
            pictures[g, y, i] = pattern[i] if green else 0


@inlined
def _paint_box(sizes, channels, left, top, width, height, pattern, edges, white, g, pictures):
    """Paint a box, clipped to the screen: green, or white where no terrain is."""
    for y in range(max(top, 0), min(top + height, sizes[HEIGHT])):
        for i in range(max(left, 0) * channels, min(left + width, sizes[WIDTH]) * channels):
            if not white:
                pictures[g, y, i] = pattern[i]
            elif edges[0, i] <= y < edges[1, i]:
                pictures[g, y, i] = WHITE


@outer
def draw_games(sizes, scroll, lefts, bodies, facts, heights, pattern, edges, rows, pictures):
    """Paint every game.

    Args:
        sizes, scroll, lefts: of a `Geometry`.
        bodies, facts, heights: the games, see `rules`.
        pattern: uint8 (W · C,), a row of terrain.
        edges: scratch, (2, W · C), able to number all rows of the picture and one more.
        rows: 0, 1, … H - 1, of the dtype of edges.
        pictures: uint8 (B, H, W · C), C channels of a pixel side by side; filled in.
    """
    channels = pictures.shape[2] // sizes[WIDTH]
    left = sizes[PLAYER_X] - (sizes[PLAYER_WIDTH] >> 1)
    for g in range(pictures.shape[0]):
        for i in range(pictures.shape[2]):
            edges[0, i] = 0
            edges[1, i] = sizes[HEIGHT]
        _mark_terrain(sizes, scroll, lefts, heights, g, 0, facts[g, OLDER], channels, edges)
        _mark_terrain(sizes, scroll, lefts, heights, g, 1, facts[g, NEWER], channels, edges)
        _paint_terrain(pattern, edges, rows, g, pictures)
        top = whole(bodies[g, Y], sizes[ROUNDS]) - (sizes[PLAYER_HEIGHT] >> 1)
        width = sizes[PLAYER_WIDTH]
        height = sizes[PLAYER_HEIGHT]
        _paint_box(sizes, channels, left, top, width, height, pattern, edges, True, g, pictures)
        for b in range(facts[g, BLOCKS]):
            block_left = whole(bodies[g, BLOCK_X + b], sizes[ROUNDS]) - (sizes[BLOCK_WIDTH] >> 1)
            block_top = facts[g, BLOCK_Y + b] - (sizes[BLOCK_HEIGHT] >> 1)
            width = sizes[BLOCK_WIDTH]
            height = sizes[BLOCK_HEIGHT]
            _paint_box(sizes, channels, block_left, block_top, width, height, pattern, edges, False, g, pictures)


@outer
def describe_games(sizes, numbers, scroll, bodies, facts, heights, states):
    """Compute the seven numbers of every game into states, floats (B, 7); see `Games.states`."""
    for g in range(states.shape[0]):
        older = facts[g, OLDER]
        newer = facts[g, NEWER]
        middle = np.nan
        if scroll[older, AT_PLAYER] < scroll[older, AT_PLAYER_END]:
            middle = np.float64(heights[g, 0, scroll[older, AT_PLAYER]])
        elif scroll[newer, AT_PLAYER] < scroll[newer, AT_PLAYER_END]:
            middle = np.float64(heights[g, 1, scroll[newer, AT_PLAYER]])
        nearest = 0
        ahead = np.inf
        for b in range(facts[g, BLOCKS]):
            distance = bodies[g, BLOCK_X + b] - sizes[PLAYER_X]
            if 0 < distance < ahead:
                ahead = distance
                nearest = b
        y = bodies[g, Y]
        states[g, 0] = y
        states[g, 1] = bodies[g, VELOCITY]
        states[g, 2] = y - (middle - numbers[HALF_GAP])
        states[g, 3] = (middle + numbers[HALF_GAP]) - y
        states[g, 4] = ahead
        states[g, 5] = facts[g, BLOCK_Y + nearest]
        states[g, 6] = facts[g, BLOCK_Y + nearest] + sizes[BLOCK_HEIGHT]
        if np.isnan(middle):  # there the reference fails
            for i in range(NUM_STATE):
                states[g, i] = np.nan
