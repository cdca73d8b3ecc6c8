from collections.abc import Mapping, Sequence

from omniroute_agent.engine.situation import Candidate, Situation
from omniroute_agent.engine.strategies.chance import draws, pick
from omniroute_agent.engine.strategies.knobs import WEIGHTS
from omniroute_agent.engine.strategies.option import Option, Ranked


def weighted(options: Sequence[Option], situation: Situation) -> list[Ranked]:
    """One draw in proportion to the owner's weights picks the first; the rest follow by falling weight.

    A target without a weight has 0: it is only ever tried after the others. When nobody has one, all are alike.
    """
    if not options:
        return []
    weights = WEIGHTS.read(situation.combo.options)
    shares = [weight_of(weights, option.candidate) or 0.0 for option in options]
    whole, draw = sum(shares), next(draws(situation))
    first = _drawn(shares, draw * whole) if whole > 0 else pick(len(options), draw)
    order = sorted((i for i in range(len(options)) if i != first), key=lambda i: (-shares[i], options[i].place))
    because = (
        f"drawn: its weight is {shares[first]:g} of {whole:g}"
        if whole > 0
        else f"drawn: none of the {len(options)} has a weight, so all are alike"
    )
    rest = [Ranked(option=options[i], because=f"not drawn; its weight is {shares[i]:g}") for i in order]
    return [Ranked(option=options[first], because=because), *rest]


def weight_of(weights: Mapping[str, float], candidate: Candidate) -> float | None:
    """By `connection/model`, `provider/model`, model or connection, the most exact first; None: it has none."""
    return next((weights[name] for name in names_of(candidate) if name in weights), None)


def names_of(candidate: Candidate) -> tuple[str, ...]:
    connection, model = candidate.connection, candidate.model
    return candidate.name, f"{connection.provider.id}/{model}", model, connection.id


def _drawn(shares: Sequence[float], mark: float) -> int:
    """The place whose stretch of the whole the mark falls into."""
    last = 0
    for place, share in enumerate(shares):
        if share <= 0:
            continue
        last = place
        if mark < share:
            return place
        mark -= share
    return last
