"""Pommerman, 11 x 11, free-for-all and two against two: our own engine with the reference simulator's rules to the bit.

Reading guide: `RULES.md` the rules in words · `layout` numbers, codes and the bytes of a game · `rules` the step · `views` what
is to be seen · `boards` start positions · `games` many games at once · `parallel` one game with PettingZoo's interface ·
`players` scripted opponents · `drawing` text and pictures · `reference` a comparison with the reference simulator, where that
is installed.

Three ways in: `parallel_env()` for PettingZoo; `Games` for data; `rules.play` for those who want the rows of bytes.
"""

from wmlib.envs.pommerman.boards import start_boards, start_rows
from wmlib.envs.pommerman.games import Games
from wmlib.envs.pommerman.parallel import Pommerman, parallel_env
from wmlib.envs.pommerman.players import STYLES, Style, act
from wmlib.envs.pommerman.views import features, from_full_states, full_states, observations

__all__ = [
    "STYLES",
    "Games",
    "Pommerman",
    "Style",
    "act",
    "features",
    "from_full_states",
    "full_states",
    "observations",
    "parallel_env",
    "start_boards",
    "start_rows",
]
