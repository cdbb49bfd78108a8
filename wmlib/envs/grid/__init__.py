"""Worlds of a few pixels, for agents that learn a model of them: obstacle-based grid navigation and the cue corridor.

Reading guide: `levels` of the grid and their shortest paths · `navigation` the grid · `cue_corridor` the environment that asks
for memory · `drawing` pictures for people · `checks` of what callers give.

Each environment comes twice: one episode at a time, written plainly, and as a vector environment that steps any number of
copies by looking up tables. The tests hold the second to the first.
"""

from wmlib.envs.grid.cue_corridor import CueCorridor, CueCorridorVector
from wmlib.envs.grid.levels import random_level, shortest_path
from wmlib.envs.grid.navigation import GridNavigation, GridNavigationVector

__all__ = ["CueCorridor", "CueCorridorVector", "GridNavigation", "GridNavigationVector", "random_level", "shortest_path"]
