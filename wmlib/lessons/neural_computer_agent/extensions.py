"""What notebook 07 adds to its main comparison: rehearsal, guards taken away, 8 x 8 and a small view, made.

Reading guide. `run_all` makes the runs that the settings ask for and returns what the figures need; a part with no seeds is
empty, and `wmlib.viz.study.show_part` then shows that of the stored study run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wmlib.agents.rehearsal import RehearsalConfig
from wmlib.lessons.neural_computer_agent import ablations, baselines, estimates, partial_view, rehearsal
from wmlib.lessons.neural_computer_agent.pipeline import DNC, RunConfig, run_agents

if TYPE_CHECKING:
    from wmlib.experiment.run import Run

LARGER = 8  # cells a side


def larger(config: RunConfig, levels: int) -> RunConfig:
    """Return the same agent on the first levels of 8 x 8; its dreams are longer as the grid is."""
    horizon = config.agent.dream_horizon * LARGER // config.size
    return replace(config, agent=replace(config.agent, dream_horizon=horizon), levels=tuple(range(levels)), size=LARGER)


def run_all(
    run: Run, configs: Mapping[str, RunConfig], agents: Mapping[str, Sequence[dict]], tuning: baselines.PPOTuning, block: int
) -> dict[str, Any]:
    """Make the runs of all parts, or find them in the cache.

    Args:
        run: the notebook's run.
        configs: of the main comparison, by arm.
        agents: outputs of the main comparison, by arm and seed.
        tuning: of model-free PPO, chosen on the main comparison's grid.
        block: stages between two checkpoints.

    Returns:
        "rehearsal": rows of `rehearsal.kept_row`; "guards", "larger": rows of `estimates.arm_row`; "view": see
        `extension_figures.draw_view`. Each is empty where its number of seeds is 0.
    """
    return {
        "rehearsal": _rehearsal(run, configs[DNC], agents[DNC], block),
        "guards": _guards(run, configs[DNC], agents[DNC], block),
        "larger": _larger(run, configs[DNC], tuning, block),
        "view": _view(run, configs, block),
    }


def _rehearsal(run: Run, config: RunConfig, plain: Sequence[dict], block: int) -> list[dict]:
    count = run.settings.rehearsal_seeds
    if not count:
        return []
    numbers = RehearsalConfig(max_rounds=run.settings.rehearsal_rounds)
    arms = {rehearsal.OLD_DREAMS: plain[:count], **rehearsal.run_arms(run, config, numbers, range(count), block)}
    return [rehearsal.kept_row(name, results, config.max_live_steps) for name, results in arms.items()]


def _guards(run: Run, config: RunConfig, plain: Sequence[dict], block: int) -> list[dict]:
    count = run.settings.ablation_seeds
    if not count:
        return []
    changed = run_agents(run, ablations.without(config, run.settings.ablation_guards), range(count), block)
    arms = {ablations.ALL_GUARDS: plain[:count], **changed}
    return [estimates.arm_row(name, results, config.max_live_steps) for name, results in arms.items()]


def _larger(run: Run, config: RunConfig, tuning: baselines.PPOTuning, block: int) -> list[dict]:
    numbers = range(run.settings.larger_seeds)
    if not numbers:
        return []
    big = larger(config, run.settings.larger_levels)
    budget = run.settings.ppo_steps
    return [
        estimates.arm_row(DNC, run_agents(run, {DNC: big}, numbers, block)[DNC], big.max_live_steps),
        estimates.arm_row(
            baselines.TABLE_ARM,
            baselines.run_table(run, big.levels, LARGER, big.max_live_steps, numbers),
            big.max_live_steps,
        ),
        estimates.arm_row(baselines.PPO_ARM, baselines.run_ppo(run, [tuning], big.levels, LARGER, budget, numbers), budget),
    ]


def _view(run: Run, configs: Mapping[str, RunConfig], block: int) -> dict[str, Any]:
    numbers = range(run.settings.view_seeds)
    if not numbers:
        return {}
    changed = partial_view.view_configs(configs, run.settings.view_levels, run.settings.view_live_steps)
    results = partial_view.run_view(run, changed, numbers, block)
    return {
        "rows": [estimates.arm_row(arm, outputs, run.settings.view_live_steps) for arm, outputs in results.items()],
        "walks": {arm: partial_view.curves(outputs, "walks") for arm, outputs in results.items()},
        "paths": {arm: partial_view.curves(outputs, "paths") for arm, outputs in results.items()},
    }
