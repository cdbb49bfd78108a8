"""World models with a Differentiable Neural Computer: the library behind the notebooks.

Floors, lowest first; a module imports only from its own floor or below: `envs` (worlds to act in), `models` (what learns the
world), `experiment` (how a run is made) -> `rollouts` (experience on disk), `training` (trainers and long jobs) -> `agents`
(what learns to act) -> `viz` (how it is shown) -> `lessons` (one folder a notebook), `weights` (trained agents) -> `command`
(the command line).
"""

__version__ = "0.1.0"
