"""Train the three small models of this notebook that `wmlib.weights` keeps, and measure what is left of them after rounding.

Reading guide. `make` trains and saves: the second DNC agent of the study profile (its model and its policy, all seven levels),
and the first DNC of the quick profile in the corridor (eight cues). `grid_scores` and `corridor_scores` say how well they do;
the manifest keeps that. Two minutes on a CPU:

    python -m wmlib.lessons.neural_computer_agent.shipped
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from wmlib import weights
from wmlib.agents.experience import Episode
from wmlib.agents.frame_dreams import FrameDreams
from wmlib.agents.policies import ActorCritic
from wmlib.envs.grid.levels import LEVELS, shortest_path
from wmlib.envs.grid.navigation import draw
from wmlib.experiment import settings
from wmlib.lessons.neural_computer_agent import corridor, corridor_memory, measures, pipeline
from wmlib.models.frame_model import FrameModel
from wmlib.models.specs import CoreConfig

Network = TypeVar("Network", bound=nn.Module)

NOTEBOOK = "07_neural_computer_agent"
SEED = 1  # of the runs, as the committed ones
AGENT = 1  # training seed of the grid's agent, chosen by hand: it predicts more moves exactly than 0
CORRIDOR = 0  # of the corridor's model, chosen by hand: it exchanges slots better than 1
EPISODES = 400  # test episodes in the corridor
PAIR_EPISODES = 16  # for each pair of cues that is exchanged
GRID_MODEL, GRID_POLICY, CORRIDOR_MODEL = "grid_model", "grid_policy", "corridor_model"


def rounded(network: Network) -> Network:
    """Return a copy with every weight rounded to half precision, as it is stored, and computed with in float32."""
    network = copy.deepcopy(network).eval()
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    return network


def train_agent(values: Any) -> pipeline.AgentRun:
    """Run the agent with a DNC to its end; `values`: settings of the notebook."""
    config = pipeline.run_configs(values, "all")[pipeline.DNC]
    run = pipeline.AgentRun(config, pipeline.seed_of(SEED, AGENT))
    for record in run.run(config.stages):
        if record is None:
            break
    return run


def train_corridor(values: Any) -> FrameModel:
    """Train the DNC's model of the corridor on its curriculum; `values`: settings of the notebook."""
    training = corridor.CorridorTraining(
        CoreConfig("dnc", values.corridor_hidden_size, values.corridor_num_slots),
        corridor.curriculum(values.corridor_cues),
        values.corridor_updates,
        values.corridor_dnc_lr,
        batch_size=values.corridor_batch_size,
    )
    trainer = corridor.CorridorTrainer(training, SEED, CORRIDOR)
    for _ in trainer.run(training.steps):
        if trainer.stage > len(training.levels):
            break
    return trainer.model


@torch.no_grad()
def grid_scores(model: FrameModel, policy: ActorCritic, levels: tuple[int, ...], size: int, horizon: int) -> dict[str, Any]:
    """Return how many moves a model predicts exactly, and on how many levels the greedy policy walks the shortest path.

    Args:
        model, policy: trained together.
        levels: numbers in `LEVELS[size]`.
        size: S, of the grid.
        horizon: steps of the longest dream.
    """
    exact = []
    dreamt = 0
    for number in levels:
        layout = LEVELS[size][number]
        exact.append(measures.exact_accuracy(model, layout))
        first = draw(layout, 0)[None]
        dreams = FrameDreams(model, lambda count, rng, first=first: first, seed=0, max_steps=horizon)  # type: ignore[misc]
        beside = measures.dream_beside_reality(dreams, policy, layout)
        shortest = len(shortest_path(layout, size))
        dreamt += beside["dream_ends"] == beside["real_ends"] == shortest and beside["dreamt"] == beside["real"]
    return {
        f"moves predicted exactly, levels {levels[0]} to {levels[-1]}": [round(value, 3) for value in exact],
        f"levels of {len(levels)} on which the greedy policy walks the shortest path, in the dream as live": dreamt,
    }


@torch.no_grad()
def wrong_moves(model: FrameModel, layout: np.ndarray) -> list[tuple[int, int]]:
    """Return the moves, (cell, action), whose next frame a model does not predict exactly, see `measures.exact_accuracy`."""
    steps = measures.transitions(layout)
    prediction, _ = model(steps.frames.unsqueeze(1), steps.actions.unsqueeze(1))
    right = ((prediction.frames[:, 0] > 0) == (steps.following > 0.5)).flatten(1).all(1)
    cells = steps.frames[:, 0].flatten(1).argmax(1)  # red is the agent
    return [(int(cells[i]), int(steps.actions[i])) for i in range(len(right)) if not right[i]]


def moves_made(episodes: Iterable[Episode], level: int) -> set[tuple[int, int]]:
    """Return the moves, (cell, action), that were made on a level in live episodes."""
    made: set[tuple[int, int]] = set()
    for episode in episodes:
        if episode.level == level:
            cells = (episode.frames[:-1, ..., 0] > 0).reshape(episode.length, -1).argmax(1)
            made.update(zip(cells.tolist(), episode.actions.tolist(), strict=True))
    return made


def corridor_scores(model: FrameModel, level: tuple[int, int], seed: int = SEED + 1) -> dict[str, Any]:
    """Return how often all doors are right on fresh episodes, and what an exchange of two cues' slots does."""
    test = corridor_memory.swap_test(model, level, seed, PAIR_EPISODES)
    success = float(corridor.measure(model, [level], seed, EPISODES)[0])
    return {
        f"all {level[0]} doors right, {EPISODES} fresh episodes": success,
        "two slots exchanged, cue 1 not among them: just these two doors swap": round(test["later"]["swap"], 3),
        "the same with cue 1: door 1 stays right and the walk goes on from the other slot": round(test["first"]["restart"], 3),
        "two unused slots exchanged: nothing changes": round(test["unused"]["unchanged"], 3),
        "every cue has a slot of its own": round(test["apart"], 3),
    }


def make(folder: Path = weights.FOLDER, grid_profile: str = "study", corridor_profile: str = "quick") -> None:
    """Train, round, measure and save `grid_model`, `grid_policy` and `corridor_model`.

    Args:
        folder: where `weights.save` puts them.
        grid_profile, corridor_profile: whose settings the agent, and the corridor's model, are trained with.
    """
    values = settings.resolve(settings.read(NOTEBOOK), grid_profile, {})
    run = train_agent(values)
    model = rounded(run.agent.model)
    policy = rounded(run.agent.policy)
    scores = grid_scores(model, policy, run.config.levels, run.config.size, values.dream_horizon)
    wrong = {level: wrong_moves(model, LEVELS[run.config.size][level]) for level in run.config.levels}
    made_live = {level: moves_made(run.agent.experience.episodes, level) for level in wrong}
    scores["moves predicted wrong"] = sum(map(len, wrong.values()))
    scores["those of them that the agent had never made live"] = sum(
        move not in made_live[level] for level, moves in wrong.items() for move in moves
    )
    made = f"notebook 07's agent with a DNC, profile {grid_profile}, seed {SEED}, training seed {AGENT}"
    facts = {"made": f"{made}, {run.agent.live_steps} live steps", "scores": scores}
    core = pipeline.cores(values)[pipeline.DNC]
    shape = {"shape": list(model.shape), "num_actions": model.num_actions}
    weights.save(GRID_MODEL, "frame model", model.state_dict(), {**shape, "core": core_settings(core)}, folder, **facts)
    inputs = {
        "observation_size": policy.encoder.layers[0].in_features,
        "num_actions": policy.num_actions,
        "hidden_sizes": list(run.config.agent.policy.hidden_sizes),
    }
    weights.save(GRID_POLICY, "policy", policy.state_dict(), inputs, folder, **facts)

    values = settings.resolve(settings.read(NOTEBOOK), corridor_profile, {})
    model = rounded(train_corridor(values))
    core = CoreConfig("dnc", values.corridor_hidden_size, values.corridor_num_slots)
    scores = corridor_scores(model, (values.corridor_cues, 1))
    made = f"notebook 07's corridor with a DNC, profile {corridor_profile}, seed {SEED}, training seed {CORRIDOR}"
    facts = {"made": made, "scores": scores}
    shape = {"shape": list(model.shape), "num_actions": model.num_actions}
    weights.save(CORRIDOR_MODEL, "frame model", model.state_dict(), {**shape, "core": core_settings(core)}, folder, **facts)


def core_settings(core: CoreConfig) -> dict[str, Any]:
    """Return a DNC's configuration as the manifest keeps it."""
    names = ("kind", "hidden_size", "num_slots", "word_size", "num_heads")
    return {name: getattr(core, name) for name in names}


if __name__ == "__main__":
    torch.set_num_threads(1)
    make()
