"""The rules of Pommerman as one compiled step over the row of bytes that is a game.

Reading guide. `step` is the whole game in a dozen lines; the functions above it are its phases, in order, and `play` below
it steps many games. Numbers such as 4.5 are sections of `RULES.md`, which all this follows; the tests have a scenario for
each. The row is described in `layout`.

Source: the rules of the reference simulator, MultiAgentLearning/playground 0.2.0; the code is ours.
"""

import numpy as np

from wmlib.envs.compiled import inlined, outer
from wmlib.envs.pommerman.checks import check_array, checked_rows, checked_starts, described
from wmlib.envs.pommerman.layout import (
    A_WISH,
    AGENTS,
    AGENTS_AT,
    ALIVE,
    AMMO,
    B_BLAST,
    B_CELL,
    B_DIRECTION,
    B_LIFE,
    B_OWNER,
    B_WISH,
    BLAST,
    BOMB_AT,
    BOMB_LIFE,
    BOMBS,
    BOMBS_AT,
    BURNING,
    BURNING_CELL,
    CAN_KICK,
    CELL,
    CELLS,
    COUNTER,
    EXTRA_BOMB,
    FFA,
    FLAME,
    FREE,
    GROUND,
    HIDDEN,
    KICK,
    KICKED,
    KICKER,
    LAY,
    MAX_BLAST,
    MAX_STEPS,
    MORE_RANGE,
    MOST,
    OFFSET,
    RIGHT,
    RIGID,
    RUNNING,
    SIZE,
    STOP,
    STRIDE,
    TIE,
    TYPE,
    UP,
    VERDICT,
    WIN,
    WISHES,
    WOOD,
)


@inlined
def _fade(row, slot):
    """4.1: the oldest flames go out and free what was hidden, which is lost if other flames burn on."""
    kept = 7 - (1 << slot)
    for i in range(row[BURNING + slot]):
        cell = row[BURNING_CELL + SIZE * SIZE * slot + i]
        row[FLAME + cell] &= kept
        row[GROUND + cell] = row[HIDDEN + cell] if row[FLAME + cell] == 0 else FREE
        row[HIDDEN + cell] = 0
    row[BURNING + slot] = 0


@inlined
def _decide(row, actions, wishes):
    """4.2 and 4.3: what agents and bombs want; bombs are laid. Return whether any bomb can matter to where anyone goes."""
    contact = False
    for i in range(AGENTS):
        me = STRIDE * i
        cell = np.int64(row[CELL + me])
        wishes[A_WISH + i] = cell
        if not row[ALIVE + me]:
            continue
        if actions[i] == LAY:
            if row[AMMO + me] > 0 and row[BOMB_AT + cell] == 0:
                row[AMMO + me] -= 1
                _lay(row, cell, row[BLAST + me], i)
        else:
            target = cell + OFFSET[actions[i]]
            if row[GROUND + target] != RIGID and row[GROUND + target] != WOOD:
                wishes[A_WISH + i] = target
    for i in range(AGENTS):  # when all are laid
        contact |= row[BOMB_AT + wishes[A_WISH + i]] > 0 and wishes[A_WISH + i] != row[CELL + STRIDE * i]
    for b in range(row[BOMBS]):
        cell = row[B_CELL + STRIDE * b]
        direction = row[B_DIRECTION + STRIDE * b]
        target = cell + OFFSET[direction]
        wishes[B_WISH + b] = target if row[GROUND + target] == FREE else cell
        contact |= direction > 0
    return contact


@inlined
def _lay(row, cell, blast, owner):
    b = np.int64(row[BOMBS])
    row[BOMBS] = b + 1
    row[BOMB_AT + cell] = b + 1
    b *= STRIDE
    row[B_CELL + b], row[B_LIFE + b], row[B_BLAST + b] = cell, BOMB_LIFE, blast
    row[B_DIRECTION + b], row[B_OWNER + b] = STOP, owner


@inlined
def _cross(row, wishes, contact):
    """4.4: who would pass through each other stays; of an agent and a bomb only the bomb."""
    if contact:
        for b in range(row[BOMBS]):
            cell = row[B_CELL + STRIDE * b]
            for i in range(AGENTS):
                if row[ALIVE + STRIDE * i] and wishes[A_WISH + i] == cell and wishes[B_WISH + b] == row[CELL + STRIDE * i]:
                    wishes[B_WISH + b] = cell
            other = np.int64(row[BOMB_AT + wishes[B_WISH + b]]) - 1
            if other >= 0 and other != b and wishes[B_WISH + other] == cell:
                wishes[B_WISH + b] = cell
                wishes[B_WISH + other] = row[B_CELL + STRIDE * other]
    for i in range(AGENTS):
        for j in range(i):
            here = row[CELL + STRIDE * i]
            there = row[CELL + STRIDE * j]
            both = row[ALIVE + STRIDE * i] and row[ALIVE + STRIDE * j]
            if both and wishes[A_WISH + i] == there and wishes[A_WISH + j] == here:
                wishes[A_WISH + i], wishes[A_WISH + j] = here, there


@inlined
def _resolve(row, wishes, contact):
    """4.5: all rivals for a cell fail, and the cell stays counted as fought over."""
    for cell in range(CELLS):
        wishes[AGENTS_AT + cell] = 0
    for i in range(AGENTS):
        wishes[AGENTS_AT + wishes[A_WISH + i]] += row[ALIVE + STRIDE * i]
    if contact:
        for cell in range(CELLS):
            wishes[BOMBS_AT + cell] = 0
        for b in range(row[BOMBS]):
            wishes[BOMBS_AT + wishes[B_WISH + b]] += 1
    changed = True
    while changed:
        changed = False
        for i in range(AGENTS):
            cell = row[CELL + STRIDE * i]
            target = wishes[A_WISH + i]
            # bombs count only in contact: else no agent wants a cell with a bomb, and bombs stay where they are
            if target != cell and (wishes[AGENTS_AT + target] > 1 or (contact and wishes[BOMBS_AT + target] > 1)):
                wishes[A_WISH + i] = cell
                wishes[AGENTS_AT + cell] += 1
                changed = True
        if contact:
            for b in range(row[BOMBS]):
                cell = row[B_CELL + STRIDE * b]
                target = wishes[B_WISH + b]
                if target != cell and (wishes[BOMBS_AT + target] > 1 or wishes[AGENTS_AT + target] > 1):
                    wishes[B_WISH + b] = cell
                    wishes[BOMBS_AT + cell] += 1
                    changed = True


_NOTHING, _STOPS, _BLOCKS, _KICKED = range(4)


@inlined
def _kick(row, actions, wishes):
    """4.6: an agent and a bomb that want one cell: agent on a bomb, bomb against agent, kick or failure.

    First decide about every bomb with the counts as they are, then act. Return whether anything changed.
    """
    changed = False
    for i in range(AGENTS):
        wishes[KICKED + i] = 0
    for b in range(row[BOMBS]):
        wishes[KICKER + b], wishes[VERDICT + b] = 0, _NOTHING
        target = wishes[B_WISH + b]
        for i in range(AGENTS):
            if not row[ALIVE + STRIDE * i] or wishes[A_WISH + i] != target:
                continue
            if target == row[CELL + STRIDE * i]:
                wishes[VERDICT + b] = _STOPS if target != row[B_CELL + STRIDE * b] else _NOTHING
            else:
                beyond = target + OFFSET[actions[i]]
                free = row[GROUND + beyond] == FREE and wishes[AGENTS_AT + beyond] == 0 and wishes[BOMBS_AT + beyond] == 0
                wishes[VERDICT + b] = _KICKED if row[CAN_KICK + STRIDE * i] and free else _BLOCKS
                wishes[KICKER + b] = i + 1
        changed |= wishes[VERDICT + b] != _NOTHING
    for b in range(row[BOMBS]):
        if wishes[VERDICT + b] == _KICKED:
            wishes[BOMBS_AT + wishes[B_WISH + b]] = 0
    for b in range(row[BOMBS]):
        verdict = wishes[VERDICT + b]
        i = wishes[KICKER + b] - 1
        if verdict == _KICKED:
            wishes[KICKED + i] = b + 1
            row[B_DIRECTION + STRIDE * b] = actions[i]
            wishes[B_WISH + b] += OFFSET[actions[i]]
            wishes[BOMBS_AT + wishes[B_WISH + b]] += 1
        elif verdict != _NOTHING:
            _bomb_stays(row, wishes, b)
        if verdict == _BLOCKS:
            _agent_stays(row, wishes, i)
            wishes[KICKER + b] = 0
    return changed


@inlined
def _resolve_again(row, wishes):
    """4.7: what the kicks have blocked; a kick whose agent or bomb fails is undone."""
    changed = True
    while changed:
        changed = False
        for i in range(AGENTS):
            target = wishes[A_WISH + i]
            b = wishes[KICKED + i] - 1
            if target != row[CELL + STRIDE * i] and (wishes[AGENTS_AT + target] > 1 or wishes[BOMBS_AT + target] > 0):
                _agent_stays(row, wishes, i)
                if b >= 0:
                    _bomb_stays(row, wishes, b)
                    wishes[KICKED + i] = wishes[KICKER + b] = 0
                changed = True
        for b in range(row[BOMBS]):
            target = wishes[B_WISH + b]
            i = wishes[KICKER + b] - 1
            moves = target != row[B_CELL + STRIDE * b] or i >= 0
            if moves and (wishes[BOMBS_AT + target] > 1 or wishes[AGENTS_AT + target] > 0):
                _bomb_stays(row, wishes, b)
                if i >= 0:
                    _agent_stays(row, wishes, i)
                    wishes[KICKED + i] = wishes[KICKER + b] = 0
                changed = True


@inlined
def _agent_stays(row, wishes, i):
    wishes[A_WISH + i] = row[CELL + STRIDE * i]
    wishes[AGENTS_AT + wishes[A_WISH + i]] += 1


@inlined
def _bomb_stays(row, wishes, b):
    wishes[B_WISH + b] = row[B_CELL + STRIDE * b]
    wishes[BOMBS_AT + wishes[B_WISH + b]] += 1


@inlined
def _roll(row, wishes):
    """4.8, bombs."""
    for b in range(row[BOMBS]):  # all leave before any arrives
        row[BOMB_AT + row[B_CELL + STRIDE * b]] = 0
    for b in range(row[BOMBS]):
        if wishes[B_WISH + b] == row[B_CELL + STRIDE * b] and wishes[KICKER + b] == 0:
            row[B_DIRECTION + STRIDE * b] = 0
        row[B_CELL + STRIDE * b] = wishes[B_WISH + b]
        row[BOMB_AT + wishes[B_WISH + b]] = b + 1


@inlined
def _walk(row, wishes):
    """4.8, agents: they take the item of the cell they enter."""
    for i in range(AGENTS):
        me = STRIDE * i
        cell = wishes[A_WISH + i]
        item = row[GROUND + cell]
        if not row[ALIVE + me] or cell == row[CELL + me]:
            continue
        row[CELL + me] = cell
        if item == EXTRA_BOMB:
            row[AMMO + me] = min(row[AMMO + me] + 1, MOST)
        elif item == MORE_RANGE:
            row[BLAST + me] = min(np.int64(row[BLAST + me]) + 1, np.int64(row[MAX_BLAST]))
        elif item == KICK:
            row[CAN_KICK + me] = 1
        row[GROUND + cell] = FREE


@inlined
def _explode(row, slot, wishes):
    """4.9: bombs that are due or in flames explode, and those they reach; the cells reached get bit `slot` of the flames.

    Walls are not touched until all is over. Exploded bombs are then taken off the list.
    """
    waiting = 0  # length of a list of bombs to explode, kept where bombs have no wishes any more
    for b in range(row[BOMBS]):
        row[B_LIFE + STRIDE * b] -= 1
        if row[B_LIFE + STRIDE * b] == 0 or row[FLAME + row[B_CELL + STRIDE * b]]:
            wishes[B_WISH + waiting] = b
            waiting += 1
            row[B_LIFE + STRIDE * b] = 0
    if waiting == 0:
        return
    done = 0
    while done < waiting:
        b = STRIDE * wishes[B_WISH + done]
        done += 1
        owner = STRIDE * np.int64(row[B_OWNER + b])
        row[AMMO + owner] = min(row[AMMO + owner] + 1, MOST)
        waiting = _burn(row, np.int64(row[B_CELL + b]), slot, wishes, waiting)
        for direction in range(UP, RIGHT + 1):
            cell = np.int64(row[B_CELL + b])
            for _ in range(1, row[B_BLAST + b]):
                cell += OFFSET[direction]
                if row[GROUND + cell] == RIGID:
                    break
                waiting = _burn(row, cell, slot, wishes, waiting)
                if row[GROUND + cell] == WOOD:
                    break
    _remove_exploded(row)


@inlined
def _burn(row, cell, slot, wishes, waiting):
    """Cover one cell by a blast; a bomb there becomes due. Return how many bombs are, exploded ones included."""
    if not row[FLAME + cell] >> slot & 1:
        row[FLAME + cell] |= 1 << slot
        row[BURNING_CELL + SIZE * SIZE * slot + row[BURNING + slot]] = cell
        row[BURNING + slot] += 1
        b = np.int64(row[BOMB_AT + cell]) - 1
        if b >= 0 and row[B_LIFE + STRIDE * b]:
            row[B_LIFE + STRIDE * b] = 0
            wishes[B_WISH + waiting] = b
            waiting += 1
    return waiting


@inlined
def _remove_exploded(row):
    left = 0
    for b in range(row[BOMBS]):
        old = STRIDE * b
        new = STRIDE * left
        row[BOMB_AT + row[B_CELL + old]] = 0
        if row[B_LIFE + old]:
            for i in range(STRIDE):
                row[B_CELL + new + i] = row[B_CELL + old + i]
            left += 1
            row[BOMB_AT + row[B_CELL + new]] = left
    row[BOMBS] = left


@inlined
def _die(row, slot):
    """4.10: new flames leave nothing on the ground, and no agent in any flame alive."""
    for i in range(row[BURNING + slot]):
        row[GROUND + row[BURNING_CELL + SIZE * SIZE * slot + i]] = FREE
    for i in range(AGENTS):
        if row[FLAME + row[CELL + STRIDE * i]]:
            row[ALIVE + STRIDE * i] = 0


@inlined
def judge(row, rewards):
    """5: fill in the rewards, int8 (4,), and return the result: WIN, TIE or RUNNING."""
    living = 0
    for i in range(AGENTS):
        living += row[ALIVE + STRIDE * i]
    over = row[COUNTER] + 256 * row[COUNTER + 1] >= MAX_STEPS
    if row[TYPE] == FFA:
        for i in range(AGENTS):
            alive = row[ALIVE + STRIDE * i] == 1
            rewards[i] = 1 if living == 1 and alive else -1 if over or living == 1 or not alive else 0
        return WIN if living == 1 else TIE if over or living == 0 else RUNNING
    even = row[ALIVE] + row[ALIVE + 2 * STRIDE]
    odd = row[ALIVE + STRIDE] + row[ALIVE + 3 * STRIDE]
    won = living > 0 and (even == 0 or odd == 0)
    for i in range(AGENTS):
        rewards[i] = (1 if (even > 0) == (i % 2 == 0) else -1) if won else -1 if over or living == 0 else 0
    return WIN if won else TIE if over or living == 0 else RUNNING


@inlined
def step(row, actions, rewards, wishes):
    """Play one step in place.

    Args:
        row: uint8 (ROW,), a running game.
        actions: integers 0 … 5, (4,).
        rewards: int8 (4,), filled in.
        wishes: working space, uint8 (WISHES,).

    Returns:
        WIN, TIE or RUNNING.
    """
    count = row[COUNTER] + 256 * row[COUNTER + 1]
    slot = count % 3
    _fade(row, slot)
    contact = _decide(row, actions, wishes)
    _cross(row, wishes, contact)
    _resolve(row, wishes, contact)
    if contact:  # not for speed alone: 87 % of random steps need none of this
        if _kick(row, actions, wishes):
            _resolve_again(row, wishes)
        _roll(row, wishes)
    _walk(row, wishes)
    _explode(row, slot, wishes)
    _die(row, slot)
    row[COUNTER], row[COUNTER + 1] = (count + 1) % 256, (count + 1) // 256
    return judge(row, rewards)


def play(
    rows: np.ndarray,
    actions: np.ndarray,
    starts: np.ndarray,
    turn: np.ndarray,
    rewards: np.ndarray,
    results: np.ndarray,
    wishes: np.ndarray,
) -> int:
    """Play one step of many games; a game that was over is replaced by the next start position instead.

    Args:
        rows: uint8 (B, ROW), changed in place.
        actions: integers 0 … 5, (B, 4).
        starts: uint8 (S, ROW), used in turn.
        turn: int64 (1,), how many starts have been used; counted up.
        rewards: int8 (B, 4), filled in; 0 where a game starts.
        results: uint8 (B,), as of the last call, filled in anew.
        wishes: working space, uint8 (WISHES,).

    Returns:
        The number of the first game with an action that there is not, and then nothing was played; -1 if there is none.

    Raises:
        ValueError: an array of another shape or dtype, a row with a number that no game can have.
    """
    checked_rows(rows)
    check_array("rows", rows, rows.shape, np.uint8)
    check_array("rewards", rewards, (len(rows), AGENTS), np.int8)
    check_array("results", results, (len(rows),), np.uint8)
    check_array("turn", turn, (1,), np.int64)
    check_array("wishes", wishes, (WISHES,), np.uint8)
    if not isinstance(actions, np.ndarray) or actions.shape != rewards.shape or actions.dtype.kind not in "iu":
        raise ValueError(f"actions: got {described(actions)}; allowed are integers {rewards.shape}, one for every agent")
    return play_checked(rows, actions, checked_starts(starts), turn, rewards, results, wishes)


@outer
def play_checked(rows, actions, starts, turn, rewards, results, wishes):
    """Play one step as `play` does, of arrays that were checked."""
    for g in range(rows.shape[0]):
        for i in range(AGENTS):
            if not 0 <= actions[g, i] <= LAY:
                return g
    for g in range(rows.shape[0]):
        if results[g] == RUNNING:
            results[g] = step(rows[g], actions[g], rewards[g], wishes)
        else:
            fresh = turn[0] % starts.shape[0]
            turn[0] += 1
            results[g] = RUNNING
            for i in range(AGENTS):
                rewards[g, i] = 0
            for i in range(rows.shape[1]):  # a loop: faster than assigning a slice
                rows[g, i] = starts[fresh, i]
    return -1
