"""Compile the DNC's steps now (about half a minute, once) and not in the middle of a lesson: `python -m wmlib.models.dnc`."""

import torch

from wmlib.models.dnc import DNC

DNC(1, 1, 1, 1, generator=torch.Generator())(torch.zeros(1, 1, 1))[0].sum().backward()
