"""World models with a Differentiable Neural Computer: the library behind the notebooks.

Floors, lowest first; a module imports only from its own floor or below:
`tasks` (toy problems) and `envs` (worlds to act in) -> `rollouts` (experience on disk) -> `models` (what learns the world)
-> `agents` (what learns to act) -> `viz` (how it is shown).
`experiment` stands beside them: how a run is made, stored and resumed. It knows nothing of any model.
"""

__version__ = "0.1.0"
