"""Learning rates over a training."""


def linear_decay(step: int, steps: int, lr: float, decay: float) -> float:
    """Return a learning rate that stays at `lr` and falls linearly over the last part `decay` of the steps, to 3 % of itself.

    Args:
        step: 0 … steps - 1.
        steps: of the whole training.
        lr: at the start.
        decay: part of the steps, in [0, 1]; 0: the learning rate is constant.

    Source: ours.

    Example:
        >>> [linear_decay(step, 8, 0.1, 0.5) for step in (0, 4, 6, 7)]
        [0.1, 0.1, 0.05, 0.025]
    """
    left = (steps - step) / (decay * steps) if decay else 1.0
    return lr * min(1.0, max(0.03, left))
