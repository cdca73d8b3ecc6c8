"""How evenly a pool's providers are used, and what using one of them would add to it."""

from collections.abc import Mapping
from math import log


def evenness(used: Mapping[str, int]) -> float:
    """Shannon entropy of the shares over its maximum: 0 when one provider serves everything, 1 when all serve alike.

    `used` counts recent attempts by provider and has a zero for each one that could have served.
    """
    total = sum(used.values())
    if total <= 0 or len(used) < 2:  # noqa: PLR2004 (evenness takes two)
        return 1.0
    shares = [count / total for count in used.values() if count > 0]
    return min(max(-sum(share * log(share) for share in shares) / log(len(used)), 0.0), 1.0)


def boosts(used: Mapping[str, int]) -> dict[str, float]:
    """Provider → 0 to 1: the more uneven the pool and the less used the provider, the more; nothing without history."""
    most = max(used.values(), default=0)
    if most <= 0:
        return dict.fromkeys(used, 0.0)
    missing = 1 - evenness(used)
    return {provider: missing * (1 - count / most) for provider, count in used.items()}
