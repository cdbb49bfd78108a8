"""The numbers of Pommerman and the row of bytes that is one game.

Reading guide. `GAME` is the row, named field by field: `rows.view(GAME)` shows any field of all games at once, and the
compiled functions use the places of the fields, below it.

The board has a rigid rim: 13 x 13 cells, cell = 13 · (row + 1) + column + 1, so that a direction is one offset and nothing
ever leaves. What is drawn on a board (agents over bombs over ground) is not stored, it is made when asked for. Agents and
bombs are short lists. The flames that one step makes go out together three steps later, so their cells are kept as three
lists, used in turn by the step counter mod 3, and `flames` has one bit a list for each cell.

Functions compiled from these numbers are kept on disk; `envs.compiled` throws them away when a file of this folder changes.

Source: numbers and codes are the reference simulator's, MultiAgentLearning/playground 0.2.0 (`RULES.md`, section 1; numbers
such as 4.6 are its sections); the row is ours.
"""

from typing import NamedTuple

import numpy as np

SIZE, AGENTS = 11, 4
WIDE = SIZE + 2  # with the rim
CELLS = (SIZE + 2) ** 2
FREE, RIGID, WOOD, BOMB, FLAMES, FOG, EXTRA_BOMB, MORE_RANGE, KICK, DUMMY, AGENT = range(11)  # AGENT + i is agent i
STOP, UP, DOWN, LEFT, RIGHT, LAY = range(6)
WIN, LOSS, TIE, RUNNING = range(4)
FFA, TEAM = 1, 2
BOMB_LIFE, FLAME_LIFE, MOST, MAX_STEPS = 10, 2, 10, 800

PLAYER = np.dtype([(name, "u1") for name in ("cell", "ammo", "blast", "kick", "alive")])
LAID = np.dtype([(name, "u1") for name in ("cell", "life", "blast", "direction", "owner")])
GAME = np.dtype(
    [
        ("agents", PLAYER, AGENTS),
        ("step_count", "<u2"),
        ("type", "u1"),  # FFA or TEAM
        ("max_blast", "u1"),  # where "more range" stops
        ("view", "u1"),  # how far an agent sees in rows and columns
        ("bombs", "u1"),
        ("burning", "u1", 3),  # how many cells each list of flames has
        ("ground", "u1", CELLS),  # FREE, RIGID, WOOD or an item
        ("bomb_at", "u1", CELLS),  # number of the bomb + 1, or 0
        ("flames", "u1", CELLS),
        ("hidden", "u1", CELLS),  # the item under wood or flames, or 0
        ("bomb", LAID, SIZE * SIZE),  # there cannot be more
        ("burning_cell", "u1", (3, SIZE * SIZE)),
    ]
)
ROW = GAME.itemsize

# Where things lie in a row, and in an agent or a bomb
_PLACES: list[int] = [place for _, place, *_ in (GAME.fields or {}).values()]
_P, COUNTER, TYPE, MAX_BLAST, VIEW, BOMBS, BURNING, GROUND, BOMB_AT, FLAME, HIDDEN, _B, BURNING_CELL = _PLACES
CELL, AMMO, BLAST, CAN_KICK, ALIVE = range(_P, _P + PLAYER.itemsize)
B_CELL, B_LIFE, B_BLAST, B_DIRECTION, B_OWNER = range(_B, _B + LAID.itemsize)
STRIDE = LAID.itemsize  # of both, a byte a field
OFFSET = np.array([0, -WIDE, WIDE, -1, 1, 0])  # by action

# The working space of a step: what everybody wants. uint8 (WISHES,)
A_WISH = 0  # (4,) the cell each agent wants
KICKED = A_WISH + AGENTS  # (4,) the bomb that this agent kicks, + 1
B_WISH = KICKED + AGENTS  # (121,) the cell each bomb wants
KICKER = B_WISH + SIZE * SIZE  # (121,) the agent that kicks this bomb, + 1
VERDICT = KICKER + SIZE * SIZE  # (121,) what 4.6 decides about this bomb
AGENTS_AT = VERDICT + SIZE * SIZE  # (169,) NA: how many agents want a cell, or wanted it and gave up
BOMBS_AT = AGENTS_AT + CELLS  # (169,) NB
WISHES = BOMBS_AT + CELLS


class Variant(NamedTuple):
    """What tells one kind of game from another."""

    type: int  # FFA or TEAM
    max_blast: int  # where "more range" stops: the view size where there is fog
    view: int  # how far an agent sees in rows and columns


VARIANTS = {"ffa": Variant(FFA, MOST, SIZE), "team": Variant(TEAM, 4, 4), "team_full_view": Variant(TEAM, MOST, SIZE)}


def variant_named(name: str) -> Variant:
    """Look a variant up, or say which there are."""
    if name not in VARIANTS:
        raise ValueError(f"variant: got {name!r}; allowed are {', '.join(map(repr, VARIANTS))}")
    return VARIANTS[name]
