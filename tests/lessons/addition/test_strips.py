"""Strips: slots in the order of writing, nothing else changed, and right rows counted."""

from types import SimpleNamespace

import torch

from wmlib.lessons.addition import measures, recipes, strips
from wmlib.lessons.addition.recipes import Recipe
from wmlib.models.dnc.memory import Trace
from wmlib.models.specs import CoreConfig


def build():
    return recipes.build(Recipe(CoreConfig("dnc", 7, 5, 3)), "copy", torch.Generator().manual_seed(0))


def test_slots_are_renumbered_by_their_first_strong_write():
    trace = Trace(*(torch.zeros(3, 4) for _ in Trace._fields))._replace(
        write=torch.tensor([[0.0, 0.1, 0.9, 0.0], [0.7, 0.0, 0.1, 0.2], [0.0, 0.0, 0.9, 0.1]]),
        read=torch.arange(12.0).view(3, 1, 4),
        link=torch.arange(48.0).view(3, 4, 4),
        memory=torch.arange(4.0).view(1, 4, 1).expand(3, 4, 2),
    )
    ordered = strips.in_order_of_writing(trace)  # slot 2 at step 0, slot 0 at step 1, then 1 and 3
    assert ordered.memory[0, :, 0].tolist() == [2, 0, 1, 3] and ordered.read[1, 0].tolist() == [6, 4, 5, 7]
    assert ordered.write[0].tolist() == trace.write[0, [2, 0, 1, 3]].tolist()
    assert ordered.link[1, 0, 1] == trace.link[1, 2, 0]


def test_what_is_watched_is_the_network():
    core = build()
    watched = strips.watch(core, "copy", 4, seed=3, num_slots=7)
    batch = measures.draw_test_set("copy", 4, 3, 1)
    outputs, state = core(batch.inputs, core.initial_state(1, num_slots=7))
    torch.testing.assert_close(watched.outputs, outputs[0].detach())
    assert watched.trace.write.shape == (9, 7) and watched.answers.tolist() == [False] * 5 + [True] * 4
    torch.testing.assert_close(watched.trace.memory[-1].sort(0).values, state.memory[0].detach().sort(0).values)
    record = strips.strip(watched, 0, 0.01)
    assert record["outputs"].shape == (9, 5) and record["outputs"].max() <= 0.0101 and record["memory"].shape == (2, 7, 3)


def test_rows_that_are_right_are_counted_where_an_answer_is_due():
    targets = torch.tensor([[0.0, 0], [1, 1], [0, 1]])
    outputs = torch.tensor([[0.0, 0], [1.2, 0.6], [0.1, 0.4]])
    watched = strips.Watched(targets, targets, outputs, torch.tensor([False, True, True]), SimpleNamespace())
    assert watched.rows_right == 1
