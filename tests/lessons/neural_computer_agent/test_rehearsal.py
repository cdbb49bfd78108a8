"""The runs that rehearse: resumable to the bit, measured before and after, and curves that are computed by hand."""

from dataclasses import replace

import torch

from wmlib.agents.neural_computer_agent import AgentConfig
from wmlib.agents.rehearsal import RehearsalConfig
from wmlib.experiment import checkpoint
from wmlib.lessons.neural_computer_agent import pipeline, rehearsal
from wmlib.models.specs import CoreConfig

SMALL = AgentConfig(
    CoreConfig("lstm", 8),
    random_episodes=1,
    episodes=1,
    first_updates=3,
    updates=2,
    gate_iterations=1,
    max_iterations=1,
    dream_horizon=8,
    num_dreams=8,
)
CONFIG = rehearsal.forgetful(pipeline.RunConfig(SMALL, (0, 1), max_rounds=2, max_live_steps=2000))
REHEARSAL = RehearsalConfig(dreams=5, max_rounds=2)


def run(seed=3):
    """A run that takes each level for solved at once, in no step."""
    begun = rehearsal.RehearsalRun(CONFIG, REHEARSAL, seed)
    begun.agent.solved = lambda level, length: True
    begun.agent.greedy = lambda level: 0  # shorter than any dream: what is to be rehearsed stays lost
    return begun


def test_only_the_policy_s_dreams_of_old_levels_are_taken_away():
    before = pipeline.RunConfig(SMALL, (0, 1), max_rounds=2, max_live_steps=2000)
    assert CONFIG.agent.old_levels == 0 and not CONFIG.agent.check_greedy and CONFIG.agent.replay == "all"
    assert replace(CONFIG, agent=replace(CONFIG.agent, old_levels=SMALL.old_levels, check_greedy=True)) == before


def test_a_run_that_was_stopped_before_rehearsal_goes_on_with_the_same_bits(tmp_path):
    whole = run()
    records = list(whole.run(10))
    assert [record["stage"] for record in records] == ["explore", "model", "dream", "act", "rehearse"] * 2
    assert records[9]["lost_before"] == [0] and records[9]["rounds"] == 2 and records[9]["steps"] > 0
    assert records[9]["greedy_solved"] == [False, False] and whole.over
    stopped = run()
    list(stopped.run(9))
    checkpoint.save(tmp_path / "state", stopped.state_dict())
    other = run()
    other.load_state_dict(checkpoint.load(tmp_path / "state"))
    assert list(other.run(1)) == records[9:] and other.step == 10
    for name, value in whole.agent.policy.state_dict().items():
        assert torch.equal(value, other.agent.policy.state_dict()[name])


def test_what_is_kept_before_and_after_rehearsal():
    def record(stage, steps, solved):
        return {"stage": stage, "level": 0, "live_steps": steps, "greedy_solved": solved}

    result = {
        "records": [
            {"stage": "explore", "live_steps": 40},
            record("act", 90, [False, False, False]),
            record("act", 100, [True, False, False]),
            record("rehearse", 100, [True, True, False]),
            record("act", 300, [False, True, True]),
            record("rehearse", 300, [True, True, True]),
        ],
        "solved_at": [100, 300, None],
        "live_steps": 400,
        "cpu_seconds": 2.5,
    }
    assert rehearsal.kept_curve(result, "act") == [1.0, 0.5, None]
    assert rehearsal.kept_curve(result, "rehearse") == [1.0, 1.0, None]
    row = rehearsal.kept_row(rehearsal.REHEARSED, [result], 700)
    assert row["live_steps"] == [700] and row["whole"] == [False] and row["after"] == [[1.0, 1.0, None]]
    assert rehearsal.kept_row(rehearsal.FORGETFUL, [result], 700)["after"] == []
