"""Experience on disk: collecting it in parallel, storing it, reading it back."""

from wmlib.rollouts.collection import RolloutWarning, Scores, collect, score
from wmlib.rollouts.read import Rollouts
from wmlib.rollouts.store import RolloutError

__all__ = ["RolloutError", "RolloutWarning", "Rollouts", "Scores", "collect", "score"]
