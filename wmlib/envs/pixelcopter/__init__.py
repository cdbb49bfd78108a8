"""Pixelcopter, one button through a cave: our own engine, equal to the reference game to the bit, in any size.

Reading guide: `RULES.md` the rules in words · `geometry` the numbers of one size, and how terrain scrolls · `rules` one frame ·
`views` pictures and the seven numbers · `mersenne` NumPy's legacy generator · `games` many games at once · `environment`
Gymnasium's interface to one, `vector` to many.

Three ways in: `gymnasium.make("wmlib/PixelCopter-v0")`; `gymnasium.make_vec` with the same name; `Games` for data.
"""

from wmlib.envs.pixelcopter.environment import PixelCopter
from wmlib.envs.pixelcopter.games import Games
from wmlib.envs.pixelcopter.geometry import Geometry
from wmlib.envs.pixelcopter.vector import PixelCopterVector

__all__ = ["Games", "Geometry", "PixelCopter", "PixelCopterVector"]
