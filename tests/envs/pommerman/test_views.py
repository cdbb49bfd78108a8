"""What is to be seen of Pommerman: full states, feature vectors, observations, each against a slow plain form."""

import numpy as np
import pytest

from wmlib.envs import pommerman
from wmlib.envs.pommerman import Games, views
from wmlib.envs.pommerman.layout import RUNNING, VARIANTS


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_full_state_is_the_whole_state(variant, some_games):
    games = some_games(variant)
    states = games.full_states()
    again = Games(37, None, starts=pommerman.from_full_states(states, games.fields["step_count"], VARIANTS[variant]))
    assert np.array_equal(again.full_states(), states)
    games.results[:] = RUNNING
    rng = np.random.default_rng(4)
    for _ in range(15):
        actions = rng.integers(6, size=(37, 4), dtype=np.uint8)
        games.step(actions)
        again.step(actions)
        assert np.array_equal(games.full_states(), again.full_states()) and np.array_equal(games.rewards, again.rewards)
        games.results[:] = again.results[:] = RUNNING  # no new boards


def test_components_are_in_their_documented_ranges(some_games):
    game = some_games("team")
    vectors, states = game.features(), game.full_states()
    assert (states <= views.LARGEST).all() and set(np.unique(states[:, 6 * 121 : 7 * 121])) <= {0, 6, 7, 8}
    assert vectors.shape == (37, 4, 372) and vectors[..., :121].max() <= 13 and (vectors[..., 242:363] <= 9).all()
    assert (vectors[..., 363:365] <= 10).all() and (vectors[..., 368:] >= 9).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_features_and_observations_are_what_the_full_state_shows_within_the_view(variant, some_games):
    """Compare with a slow plain form of section 6 of RULES.md, from view B."""
    games = some_games(variant)
    vectors = games.features()
    view = VARIANTS[variant].view
    for g in range(11):
        state = games.full_states()[g].astype(int)
        board, life, blast, direction, _, flames, _ = state[:847].reshape(7, 11, 11)
        agents = state[847:].reshape(4, 6)
        observed = pommerman.observations(games.rows[g])
        for i, (y, x, ammo, strength, kick, _) in enumerate(agents):
            rows, columns = np.mgrid[:11, :11]
            seen = (abs(rows - y) <= view) & (abs(columns - x) <= view)
            if variant == "ffa":
                friends = [9, *(10 + j for j in range(4) if j != i)]
            else:
                friends = [10 + (i + 2) % 4, *(10 + j for j in range(4) if j % 2 != i % 2), 9]
            planes = [np.where(seen, board, 5), blast * seen, life * seen]
            assert vectors[g, i].tolist() == [*np.ravel(planes).tolist(), y, x, ammo, strength, kick, *friends]
            one = observed[i]
            assert one["teammate"] == friends[0] and one["enemies"] == friends[1:] and one["position"] == (y, x)
            assert np.array_equal(one["bomb_moving_direction"], direction * seen)
            youngest = np.array([int(mask).bit_length() for mask in flames.ravel()]).reshape(11, 11)
            assert np.array_equal(one["flame_life"], youngest * seen)
            assert one["alive"] == [10 + j for j in range(4) if agents[j, 5]]
    assert (vectors[..., :121] == 5).any() == (variant == "team")


def test_observations_have_the_types_of_the_reference_and_are_copies(some_games):
    first, second, *_ = pommerman.observations(some_games().rows[0])
    assert first["board"].dtype == np.uint8 and first["bomb_life"].dtype == np.float64
    assert isinstance(first["can_kick"], bool) and isinstance(first["ammo"], int) and isinstance(first["alive"], list)
    assert sorted(first) == sorted(
        "alive board bomb_blast_strength bomb_life bomb_moving_direction flame_life game_type game_env position "
        "blast_strength can_kick ammo teammate enemies step_count".split()
    )
    first["board"][:] = 99
    first["alive"].append(99)
    assert second["board"].max() < 99 and 99 not in second["alive"]


def test_bad_states_are_named(some_games):
    states = some_games(steps=0).full_states().astype(int)
    for value, message in ((14, r"states\[0, 3\]: got 14; allowed is 0 to 13"), (-1, r"states\[0, 3\]: got -1")):
        wrong = states.copy()
        wrong[0, 3] = value
        with pytest.raises(ValueError, match=message):
            pommerman.from_full_states(wrong, 0, VARIANTS["ffa"])
    wrong = states.copy()
    wrong[2, 121 + 7] = 4
    with pytest.raises(ValueError, match=r"states\[2, 491\]: got 0; a cell with a bomb needs an owner"):
        pommerman.from_full_states(wrong, 0, VARIANTS["ffa"])
    with pytest.raises(ValueError, match=r"states: got shape \(3, 5\); allowed is \(B, 871\)"):
        pommerman.from_full_states(np.zeros((3, 5), int), 0, VARIANTS["ffa"])
    with pytest.raises(ValueError, match=r"rows: got uint8 \(3, 5\)"):
        pommerman.features(np.zeros((3, 5), np.uint8))
    with pytest.raises(ValueError, match=r"out: got float64 \(2,\)"):
        pommerman.features(some_games(steps=0).rows, np.zeros(2))
