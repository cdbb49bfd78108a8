"""A gate between two stages: a number that must be good enough for what comes next to mean anything."""


class GateError(RuntimeError):
    """A stage missed its gate, and the run was told to stop there."""


def gate(what: str, value: float, *, least: float = float("-inf"), most: float = float("inf"), stop: bool = False) -> dict:
    """Say whether a number passes, and stop the run if it does not and `stop` is set.

    Args:
        what: the number, in words.
        value: it; NaN does not pass.
        least, most: bounds, both included.
        stop: raise instead of going on.

    Returns:
        what, value, least, most (None where there is no such bound) and passed, for the results.

    Raises:
        GateError: missed, with `stop`.

    Example:
        >>> gate("recall", 0.95, least=0.9)["passed"]
        gate passed: recall is 0.95 (at least 0.9)
        True
    """
    bounds = {"least": least if least > float("-inf") else None, "most": most if most < float("inf") else None}
    allowed = " and ".join(f"at {name} {bound:g}" for name, bound in bounds.items() if bound is not None)
    passed = least <= value <= most
    text = f"gate {'passed' if passed else 'MISSED'}: {what} is {value:.3g} ({allowed})"
    if stop and not passed:
        raise GateError(f"{text}. What follows would mean little: improve this stage first, or go on with -p gates=report")
    print(text)
    return {"what": what, "value": float(value), **bounds, "passed": bool(passed)}
