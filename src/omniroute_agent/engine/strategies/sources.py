"""What strategies look at beyond the request and the health of its targets: nothing else is read or kept for them."""

from typing import Final

TAKING_TURNS: Final = frozenset(("round-robin", "strict-random"))
"""They go on from where the request before them stopped, so a plan of theirs is a turn that is taken."""

HEALING: Final = frozenset(("auto",))
"""They take targets out and let them come back."""

KNOWING_THE_LAST_ANSWER: Final = frozenset(("lkgp",))

KNOWING_PREFIXES: Final = frozenset(("cache-affinity",))

MEASURED: Final = frozenset(("auto", "p2c", "least-used", "lkgp"))
"""They look at how targets did lately."""

REMEMBERING: Final = TAKING_TURNS | HEALING | KNOWING_THE_LAST_ANSWER
"""They look at what their combo remembers."""
