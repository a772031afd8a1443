"""How the error of a study's verdicts is spent over the looks at its golden set. [core]

Each retraining is judged on the same golden images. Sixty tries at one in twenty would find something by luck alone,
so look k may err with probability ERROR / (k (k + 1)). These shares add up to ERROR however many looks there are,
whether the nights' regressors resemble each other or not (alpha spending, Lan and DeMets 1983; the union bound).
"""

ERROR = 0.05  # of all looks together, on one side


def share(look: int) -> float:
    """Return what look 1, 2, ... may spend: 0.025, 0.0083, ... The first has the usual 95 % interval."""
    return ERROR / (look * (look + 1))


def level(look: int) -> float:
    """Return the level, in per cent, of the interval that this look may show: what is spent lies beyond each end."""
    return 100 * (1 - 2 * share(look))
