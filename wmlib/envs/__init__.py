"""Worlds to act in, registered on import as `wmlib/NAME-v0`: with Gymnasium, or with PettingZoo if several agents act."""

import gymnasium
import pettingzoo

gymnasium.register("wmlib/TakeCover-v0", entry_point="wmlib.envs.doom.take_cover:TakeCover")
gymnasium.register(
    "wmlib/GridNavigation-v0",
    entry_point="wmlib.envs.grid.navigation:GridNavigation",
    vector_entry_point="wmlib.envs.grid.navigation:GridNavigationVector",
)
gymnasium.register(
    "wmlib/CueCorridor-v0",
    entry_point="wmlib.envs.grid.cue_corridor:CueCorridor",
    vector_entry_point="wmlib.envs.grid.cue_corridor:CueCorridorVector",
)
gymnasium.register(
    "wmlib/PixelCopter-v0",
    entry_point="wmlib.envs.pixelcopter.environment:PixelCopter",
    vector_entry_point="wmlib.envs.pixelcopter.vector:PixelCopterVector",
    max_episode_steps=10_000,
)
pettingzoo.register("parallel", "wmlib/Pommerman-v0", entry_point="wmlib.envs.pommerman.parallel:Pommerman")
