"""The row of bytes of a game, and the compiled modules that know it by heart."""

import numpy as np
import pytest

from wmlib.envs.pommerman import layout


def test_a_row_holds_every_field_and_the_compiled_places_are_those_of_the_fields():
    rows = np.zeros((2, layout.ROW), np.uint8)
    games = rows.view(layout.GAME)[:, 0]
    games["agents"]["ammo"][1, 2] = 7
    games["bomb"]["life"][1, 5] = 9
    games["flames"][1, 17] = 3
    games["step_count"][1] = 300
    row = rows[1]
    assert row[layout.AMMO + 2 * layout.STRIDE] == 7 and row[layout.B_LIFE + 5 * layout.STRIDE] == 9
    assert row[layout.FLAME + 17] == 3 and row[layout.COUNTER : layout.COUNTER + 2].tolist() == [300 % 256, 300 // 256]
    assert not rows[0].any()


def test_directions_are_offsets_on_the_board_with_its_rim():
    steps = {layout.UP: (-1, 0), layout.DOWN: (1, 0), layout.LEFT: (0, -1), layout.RIGHT: (0, 1)}
    for action, (down, right) in steps.items():
        assert layout.OFFSET[action] == layout.WIDE * down + right
    assert layout.OFFSET[layout.STOP] == layout.OFFSET[layout.LAY] == 0


def test_variants_are_found_by_name():
    assert layout.variant_named("team").max_blast == 4
    with pytest.raises(ValueError, match="variant: got 'solo'; allowed are 'ffa', 'team', 'team_full_view'"):
        layout.variant_named("solo")
