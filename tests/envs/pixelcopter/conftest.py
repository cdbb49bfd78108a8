"""What several test files of Pixelcopter share: the game once more, plain and slow."""

import math

import numpy as np
import pytest


class PlainGame:
    """The game as `RULES.md` says it: lists of positions, and NumPy's own generator."""

    def __init__(self, seed, width, height, fps, rounding):
        self.W, self.H, self.rounding = width, height, rounding
        self.dt = 1000.0 / fps
        self.s = 0.0004 * width
        self.px = int(0.35 * width)
        self.w = int(0.1 * width)
        self.rng = np.random.RandomState(seed)
        self.start()

    def start(self):
        self.y, self.v = self.H / 2, 0.0
        self.score, self.lives = 0.0, 1.0
        self.blocks, self.columns = [self.block()], self.batch(0, 4 * self.W)

    def block(self):
        x = self.rng.randint(self.W, int(1.5 * self.W))
        return [float(x), self.rng.randint(int(0.25 * self.H), int(0.75 * self.H))]

    def batch(self, start, end):
        columns = []
        frequency = 4.5 / self.W + self.rng.uniform(-0.01, 0.01)
        x = start + int(self.w / 2)
        while x < end + int(self.w / 2):
            phase = self.rng.uniform(0.0, 0.5)
            columns.append([float(x), int(self.H / 2.0 + (self.H * 0.125) * math.sin(frequency * x + phase))])
            x += self.w
        return columns

    def box(self, x, y, width, height):
        """Return left, top, right, bottom; the last two excluded."""
        edges = []
        for centre, length in ((x, width), (y, height)):
            pixel = math.copysign(math.floor(abs(centre) + (0.5 if self.rounding == "round" else 0)), centre)
            edges.append(int(pixel) - (length >> 1))
        return (*edges, edges[0] + width, edges[1] + height)

    def player_box(self):
        return self.box(self.px, self.y, int(0.05 * self.W), int(0.05 * self.H))

    def block_box(self, block):
        return self.box(*block, self.w, int(0.2 * self.H))

    def column_box(self, column):
        return self.box(*column, self.w, int(1.5 * self.H))

    def at_player(self, box):
        left, top, right, bottom = self.player_box()
        return left < box[2] and box[0] < right and top < box[3] and box[1] < bottom

    def step(self, action):
        before = self.score
        self.v = (self.v + (self.s * -0.875 if action == 0 else self.s * 0.09) * self.dt) * 0.99
        self.y += self.v
        for thing in self.blocks + self.columns:
            thing[0] -= self.s * self.dt
        self.lives -= sum(self.at_player(self.block_box(block)) for block in self.blocks)
        for column in self.columns:
            if self.at_player(self.column_box(column)):
                self.lives -= self.y - 0.05 * self.H <= column[1] - 0.25 * self.H
                self.lives -= self.y >= column[1] + 0.25 * self.H
        for block in list(self.blocks):
            if block[0] <= self.px and len(self.blocks) == 1:
                self.score += 1
                self.blocks.append(self.block())
            if block[0] <= -self.w:
                self.blocks.remove(block)
        self.score += sum(column[0] <= -self.w for column in self.columns)
        self.columns = [column for column in self.columns if column[0] > -self.w]
        self.lives -= (self.y < 0.125 * self.H) + (self.y > 0.875 * self.H)
        if len(self.columns) <= 13:
            self.columns += self.batch(self.W, 5 * self.W)
        if self.lives <= 0:
            self.score -= 5
        return self.score - before

    def state(self):
        near = [column for column in self.columns if self.at_player(self.column_box(column))]
        if not near:
            return [np.nan] * 7
        ahead, y = min((x - self.px, y) for x, y in self.blocks if x > self.px)
        ceiling, floor = near[0][1] - 0.25 * self.H, near[0][1] + 0.25 * self.H
        return [self.y, self.v, self.y - ceiling, floor - self.y, ahead, y, y + int(0.2 * self.H)]

    def picture(self):
        picture = np.zeros((self.H, self.W, 3), np.uint8)

        def paint(left, top, right, bottom, colour):
            picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour

        green = (120, 240, 80)
        paint(*self.player_box(), (255, 255, 255))
        for block in self.blocks:
            paint(*self.block_box(block), green)
        for column in self.columns:
            left, top, right, bottom = self.column_box(column)
            paint(left, top, right, top + int(0.5 * self.H), green)
            paint(left, top + int(1.05 * self.H), right, bottom, green)
        return picture


@pytest.fixture(scope="session")
def plain_game():
    """Return the class of the plain game: plain_game(seed, width, height, fps, rounding)."""
    return PlainGame


@pytest.fixture(scope="session")
def pilot():
    """Return a function that flies: actions (B,) for states (B, 7), near the middle, with some mistakes."""

    def fly(states, height, rng):
        y, velocity, to_ceiling, to_floor = states[:, :4].T
        low = np.nan_to_num(to_ceiling - to_floor, nan=0) / 2 + 8 * velocity > height / 48
        return np.where(low ^ (rng.random(len(y)) < 0.02), 0, 1)

    return fly
