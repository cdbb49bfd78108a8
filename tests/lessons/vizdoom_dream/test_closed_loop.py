"""Agents from which fireballs or memory are taken, on frames and states that are made by hand."""

import numpy as np
import pytest
import torch

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.lessons.vizdoom_dream import closed_loop, games
from wmlib.lessons.vizdoom_dream.closed_loop import HANDICAPS, HandicappedAgent
from wmlib.lessons.vizdoom_dream.pipeline import ACTIONS
from wmlib.models.dnc import DNCState
from wmlib.models.vae import VAE, Posterior

Z, H = 3, 5
BACKGROUND = np.full((64, 64, 3), 40, np.uint8)
BOXES = [[(20, 10, 3, 4), (40, 50, 9, 9)], [], [(0, 0, 64, 64)], [(10, 30, 2, 2)]]  # row, column, height, width


def frames_with(boxes=BOXES):
    """Dark frames with bright boxes."""
    frames = np.full((len(boxes), 64, 64, 3), 40, np.uint8)
    for frame, of_frame in zip(frames, boxes, strict=True):
        for y, x, h, w in of_frame:
            frame[y : y + h, x : x + w] = 250
    return frames


@pytest.fixture
def agents(lstm, dnc):
    """An agent with an LSTM and one with a DNC; they see z, h and c."""
    rng = torch.Generator().manual_seed(0)
    vae = VAE(generator=rng, latent_size=Z, channels=1)
    return [
        WorldModelsAgent(vae, each.model.build(rng), torch.randn(Z + 2 * H, generator=rng), ("z", "h", "c"), ACTIONS)
        for each in (lstm, dnc)
    ]


def test_all_balls_are_found_and_a_flash_is_none():
    masks = closed_loop.all_balls(frames_with())
    assert masks.sum((1, 2)).tolist() == [12 + 81, 0, 0, 4] and masks[0, 40:49, 50:59].all() and masks[3, 10:12, 30:32].all()


def test_a_blindfold_leaves_no_ball_and_nothing_else_changes():
    frames = frames_with()
    frames[:, 60, 5] = 90
    blind = closed_loop.painted(frames, BACKGROUND)
    assert (blind[[0, 3]] < 250).all() and (blind[:2, 60, 5] == 90).all() and np.array_equal(blind[2], frames[2])
    assert closed_loop.painted(frames_with([[(20, 10, 3, 4)]]), BACKGROUND + 1)[0, 18:25, 8:16].min() == 41  # two pixels around
    assert (closed_loop.painted(frames_with([[(20, 10, 3, 4)]]), BACKGROUND + 1) == 41).sum() == 3 * 7 * 8


def test_the_control_paints_as_much_where_no_ball_is():
    frames = frames_with()
    painted = closed_loop.painted(frames, BACKGROUND + 1, control=True)
    assert ((painted == 41).all(-1).sum((1, 2)) == [7 * 8 + 13 * 13, 0, 0, 36]).all()
    assert ((painted == 250).all(-1).sum((1, 2)) == [93, 0, 64 * 64, 4]).all()  # every ball is still there


def test_the_other_side_is_tried_first_and_left_where_it_is_covered():
    mask = np.zeros((2, 1, 64), bool)
    mask[0, 0, 4:8] = True
    mask[1, 0, 4:8] = mask[1, 0, 36:40] = True
    moved = closed_loop.elsewhere(mask)
    assert np.flatnonzero(moved[0, 0]).tolist() == [36, 37, 38, 39]
    assert moved[1].sum() == 8 and not (moved[1] & mask[1]).any()


def filled(state):
    return type(state)(*(torch.full_like(part, i + 1.0) for i, part in enumerate(state)))


def test_what_is_taken_from_a_state_and_what_stays(agents):
    state = filled(agents[1].world_model.core.initial_state(2))
    reads = closed_loop.without_reads(state)
    assert (reads.reads == 0).all() and all(torch.equal(*pair) for pair in list(zip(state, reads, strict=True))[:-1])
    empty = closed_loop.without_memory(state)
    for name in DNCState._fields:
        kept = name in ("h", "c", "reads")
        assert torch.equal(getattr(empty, name), getattr(state, name) if kept else torch.zeros_like(getattr(state, name)))


def test_frozen_rows_keep_the_state_before(agents):
    for agent in agents:
        before = agent.world_model.core.initial_state(2)
        held = closed_loop.frozen(before, filled(before), torch.tensor([True, False]))
        assert all((part[0] == 0).all() and (part[1] == i + 1).all() for i, part in enumerate(held))


def test_an_lstm_has_no_memory_to_lose(agents):
    lstm, dnc = agents
    assert closed_loop.handicaps(dnc) == HANDICAPS
    assert closed_loop.handicaps(lstm) == tuple(each for each in HANDICAPS if each not in closed_loop.OF_A_DNC)
    with pytest.raises(ValueError, match="handicap"):
        HandicappedAgent(lstm, closed_loop.NO_READS, BACKGROUND)


def test_every_handicap_is_another_agent(agents):
    known = {str(HandicappedAgent(agents[1], handicap, BACKGROUND).describe()) for handicap in HANDICAPS}
    assert len(known | {str(agents[1].describe())}) == len(HANDICAPS) + 1
    agent = HandicappedAgent(agents[1], closed_loop.FROZEN, BACKGROUND)
    assert agent.cache_key()[:-2] == agents[1].cache_key() and agent.cache_key()[-2] == closed_loop.FROZEN


class Constant:
    """A VAE that always sees the same."""

    latent_size = Z

    def eval(self):
        return self

    def encode(self, frames):
        mean = torch.ones(len(frames), Z)
        return Posterior(mean, torch.full_like(mean, -90.0))


@pytest.mark.parametrize("handicap", [closed_loop.NO_READS, closed_loop.NO_MEMORY, closed_loop.FROZEN])
def test_an_episode_is_a_plain_loop_with_the_part_taken(agents, handicap):
    """Forty steps of two games, the second begun later, against a loop over the core."""
    _, dnc = agents
    agent = WorldModelsAgent(Constant(), dnc.world_model, dnc.weights, dnc.names, ACTIONS)
    player = HandicappedAgent(agent, handicap, BACKGROUND).vectorized(2)
    player.begin(0, np.random.default_rng(0))
    player.begin(1, np.random.default_rng(0))
    frames = frames_with([[], []])
    state = agent.world_model.core.initial_state(1)
    for step in range(40):
        if step == 3:
            player.begin(1, np.random.default_rng(0))
        with torch.no_grad():
            features = torch.cat([torch.ones(1, Z), state.h, state.c], -1)
            value = torch.tanh((agent.weights * features).sum())
            action = 1 + int(value > 1 / 3) - int(value < -1 / 3)
            after = agent.world_model.next_state(torch.ones(1, Z), ACTIONS[[action]], state)
        assert player.act(frames)[0] == action
        if handicap == closed_loop.NO_READS:
            after = closed_loop.without_reads(after)
        elif handicap == closed_loop.NO_MEMORY:
            after = closed_loop.without_memory(after)
        elif step + 1 > closed_loop.FROZEN_FROM:
            after = state
        state = after
        for ours, theirs in zip(player._state, state, strict=True):
            torch.testing.assert_close(ours[:1], theirs)


def test_the_blindfold_is_put_on_before_v_sees(agents, monkeypatch):
    seen = []
    vae = Constant()
    vae.encode = lambda frames: (seen.append(frames.copy()), Constant().encode(frames))[1]
    agent = WorldModelsAgent(vae, agents[0].world_model, agents[0].weights, agents[0].names, ACTIONS)
    for handicap in (closed_loop.BLINDFOLD, closed_loop.ELSEWHERE):
        player = HandicappedAgent(agent, handicap, BACKGROUND + 1).vectorized(4)
        player.act(frames_with())
    blind, control = seen
    assert (blind[0] < 250).all() and (control[0] == 250).sum() == 3 * 93 and (control[0] == 41).any()


def test_the_first_test_games_are_played_again_with_each_handicap(agents, monkeypatch):
    asked = []

    def play_each(run, policies, count, name):
        asked.append((list(policies), count, name))
        return {key: np.array([[i] * count for _ in each]) for i, (key, each) in enumerate(policies.items())}

    monkeypatch.setattr(games, "play_each", play_each)
    lstm, dnc = agents
    whole = {"LSTM": np.arange(10).reshape(2, 5), "DNC": np.arange(10, 20).reshape(2, 5)}
    tics = closed_loop.play(None, {"LSTM": [lstm, lstm], "DNC": [dnc, dnc]}, whole, BACKGROUND, 3)
    assert list(tics["LSTM"]) == [closed_loop.WHOLE, *closed_loop.handicaps(lstm)] and list(tics["DNC"])[1:] == list(HANDICAPS)
    assert tics["DNC"][closed_loop.WHOLE].tolist() == [[10, 11, 12], [15, 16, 17]]
    assert tics["DNC"][closed_loop.BLINDFOLD].tolist() == [[3] * 3] * 2
    assert asked == [
        ([("LSTM", each) for each in closed_loop.handicaps(lstm)] + [("DNC", each) for each in HANDICAPS], 3, "test")
    ]
