from collections.abc import Sequence

from omniroute_agent.engine.situation import Situation
from omniroute_agent.engine.strategies.option import Option, Ranked


def context_optimized(options: Sequence[Option], situation: Situation) -> list[Ranked]:  # noqa: ARG001 (one shape for all)
    """The largest context window first; an unknown one comes after every known one."""

    def window(option: Option) -> int | None:
        return option.candidate.facts.context_tokens

    return [
        Ranked(
            option=option,
            because="its context window is unknown, so it comes last"
            if window(option) is None
            else f"a context window of {window(option)} tokens",
        )
        for option in sorted(options, key=lambda o: (window(o) is None, -(window(o) or 0), o.place))
    ]
