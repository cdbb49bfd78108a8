"""Exchanging two slots of a DNC: what is exchanged, that a renaming changes nothing, and that the counts are right."""

import numpy as np
import pytest
import torch

from wmlib.lessons.neural_computer_agent import corridor_memory
from wmlib.lessons.neural_computer_agent.corridor import CorridorTraining, Walk
from wmlib.models.dnc import DNC
from wmlib.models.specs import CoreConfig

LEVEL = (3, 2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def model():
    """An untrained world model whose heads read and write something."""
    core = CoreConfig("dnc", hidden_size=12, num_slots=6, word_size=5, num_heads=2)
    made = CorridorTraining(core, (LEVEL,), 1, lr=1e-3).build(generator())
    for parameter in made.core.parameters():
        parameter.detach().mul_(3)
    return made


@pytest.fixture
def state():
    """A DNC after four steps, its state, and three more inputs."""
    core = DNC(3, 8, num_slots=5, word_size=4, num_heads=2, generator=generator())
    for parameter in core.parameters():
        parameter.detach().mul_(3)
    inputs = torch.randn(2, 7, 3, generator=generator(1))
    with torch.no_grad():
        return core, core(inputs[:, :4])[1], inputs[:, 4:]


def test_exchange_is_a_plain_exchange(state):
    _, before, _ = state
    after = corridor_memory.exchange(before, torch.tensor([0, 3]), torch.tensor([2, 1]), corridor_memory.RENAMED)
    for i, (a, b) in enumerate([(0, 2), (3, 1)]):
        order = list(range(5))
        order[a], order[b] = b, a
        assert torch.equal(after.memory[i], before.memory[i, order])
        assert torch.equal(after.usage[i], before.usage[i, order])
        assert torch.equal(after.precedence[i], before.precedence[i, order])
        assert torch.equal(after.write[i], before.write[i, order])
        assert torch.equal(after.read[i], before.read[i][:, order])
        for row in range(5):
            for column in range(5):
                assert after.link[i, row, column] == before.link[i, order[row], order[column]]
    assert after.h is before.h and after.reads is before.reads


def test_the_content_alone(state):
    _, before, _ = state
    after = corridor_memory.exchange(before, torch.tensor([0, 0]), torch.tensor([1, 4]))
    assert torch.equal(after.memory[1], before.memory[1, [4, 1, 2, 3, 0]])
    assert all(getattr(after, name) is getattr(before, name) for name in before._fields if name != "memory")


@torch.no_grad()
def test_a_dnc_does_not_know_its_slots_by_number(state):
    core, before, inputs = state
    two = torch.tensor([0, 3]), torch.tensor([2, 1])
    plain, _ = core(inputs, before)
    renamed, _ = core(inputs, corridor_memory.exchange(before, *two, corridor_memory.RENAMED))
    content, _ = core(inputs, corridor_memory.exchange(before, *two))
    torch.testing.assert_close(renamed, plain, rtol=1e-4, atol=1e-6)
    assert (content - plain).abs().max() > 1e-3


def test_slots_of_cues_and_unused_slots():
    write = torch.zeros(1, 8, 6)
    for step, slot in enumerate([4, 0, 2]):
        write[0, step, slot] = 0.9
    write[0, 1, 1] = 0.3
    write[0, 4, 3] = 0.2
    write[0, 7, 5] = 1.0  # at a door: too late to count
    trace = corridor_memory.Trace(write, *[None] * 9)
    slots = corridor_memory.slots_of_cues(trace, 3)
    assert slots.tolist() == [[4, 0, 2]]
    assert corridor_memory.unused_slots(trace, LEVEL, slots).tolist() == [[5, 3]]


def test_pairs_and_what_an_exchange_should_do():
    pairs, cues = corridor_memory.unlike_pairs((4, 1), 5, np.random.default_rng(0))
    assert len(pairs) == len(cues) == 30 and len(np.unique(pairs, axis=0)) == 6
    assert all(cues[i, a] != cues[i, b] for i, (a, b) in enumerate(pairs))
    assert set(cues.ravel()) == {0, 1, 2, 3}
    assert corridor_memory.swapped(np.array([[5, 6, 7], [5, 6, 7]]), np.array([[0, 2], [1, 2]])).tolist() == [
        [7, 6, 5],
        [5, 7, 6],
    ]


def test_a_walk_that_starts_elsewhere():
    choices = np.array([[5, 6, 7, 8], [5, 6, 7, 8], [5, 6, 7, 8]])
    expected = [[5, 7, 8, -1], [5, 8, -1, -1], [5, -1, -1, -1]]
    assert corridor_memory.restarted(choices, np.array([1, 2, 3])).tolist() == expected


def test_an_untrained_model_has_nothing_to_swap_and_a_renaming_changes_nothing(model):
    result = corridor_memory.swap_test(model, LEVEL, 1, 4)
    assert result["renamed"] == {"swap": 0.0, "unchanged": 1.0}
    assert result["pairs"].shape == (3, 3) and not np.diag(result["pairs"]).any()
    assert result["pairs"][0, 1] == result["pairs"][1, 0]
    assert result["episodes"] == 12 and 0 <= result["apart"] <= 1


def test_the_counts_are_those_of_a_model_that_obeys(model, monkeypatch):
    """A model that does as it should: without an edit right, after the swap of two cues' slots swapped at the doors."""
    slots = torch.tensor([4, 0, 2])
    write = torch.zeros(12, 8, 6)
    write[:, torch.arange(3), slots] = 1.0
    trace = corridor_memory.Trace(write, *[None] * 9)

    def walk(cues, choices):
        return Walk(cues, choices, None, None, None, None)

    def play(model, level, cues, edit):
        memory = torch.full((len(cues), 6, 1), -1.0)
        memory[:, slots, 0] = torch.from_numpy(cues).float()
        zeros = torch.zeros(len(cues), 6)
        edited = edit(
            corridor_memory.DNCState(*[None] * 2, memory, zeros, zeros, zeros[:, None].expand(-1, 6, -1), zeros, zeros, None)
        )
        return walk(cues, edited.memory[:, slots, 0].long().numpy())

    monkeypatch.setattr(corridor_memory, "watch", lambda model, level, cues: (walk(cues, cues.copy()), trace))
    monkeypatch.setattr(corridor_memory, "play", play)
    monkeypatch.setattr(corridor_memory, "RENAMED", ())  # this model has no order of writing
    result = corridor_memory.swap_test(model, LEVEL, 1, 4)
    swaps, nothing = {"swap": 1.0, "unchanged": 0.0}, {"swap": 0.0, "unchanged": 1.0}
    assert (result["all"], result["later"], result["unused"], result["renamed"]) == (swaps, swaps, nothing, nothing)
    assert result["first"]["swap"] == 1.0 and result["first"]["restart"] < 1
    assert np.array_equal(result["pairs"], 1 - np.eye(3)) and result["apart"] == 1.0


def test_one_swap_keeps_an_episode(model):
    kept = corridor_memory.one_swap(model, LEVEL, 1)
    assert kept["pair"] == [0, 2] and kept["cues"][0] != kept["cues"][2]
    assert kept["write"].shape == kept["before"]["read"].shape == kept["after"]["read"].shape == (8, 6)
    assert sorted(kept["order"]) == list(range(6)) and kept["order"][0] == kept["slots"][0]
    assert np.array_equal(kept["before"]["read"][:5], kept["after"]["read"][:5])  # the same until the exchange
    assert not np.array_equal(kept["before"]["read"][5:], kept["after"]["read"][5:])


def test_read_modes_are_shares(model):
    modes = corridor_memory.read_modes(model, LEVEL, 1, 5)
    assert modes.shape == (3, 3)
    np.testing.assert_allclose(modes.sum(1), 1, rtol=1e-5)


def test_examine_does_all(model):
    kept = corridor_memory.examine(model, LEVEL, 1, 2)
    assert set(kept) == {"test", "episode", "modes"} and kept["episode"]["level"] == [3, 2]
