"""The Differentiable Neural Computer (DNC): an LSTM with a memory it can write to, search, and walk through in order.

Reading guide. `reference` has one step in plain loops, straight from the equations: read it first. `addressing` has the same
equations as tensor functions, `memory` one write and one read made of them, `core` the network around it.
"""

from wmlib.models.dnc.core import DNC
from wmlib.models.dnc.memory import DNCState, Interface, Trace

__all__ = ["DNC", "DNCState", "Interface", "Trace"]
