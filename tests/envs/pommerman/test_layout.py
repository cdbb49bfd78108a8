"""The row of bytes of a game, and the compiled modules that know it by heart."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from wmlib.envs.pommerman import layout, players, rules, views


@pytest.mark.parametrize("module", [rules, views, players], ids=lambda m: m.__name__)
def test_compiled_modules_change_when_the_layout_does(module):
    """Numba compiles a function anew only if its own file has changed, so that file names the layout it was made for."""
    digest = hashlib.sha256(Path(layout.__file__).read_bytes()).hexdigest()[:12]
    assert module.LAYOUT == digest, f'write LAYOUT = "{digest}" in {Path(module.__file__).name}'


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
