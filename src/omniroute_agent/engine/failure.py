"""What to tell the caller when nothing answered: one error that names every target and never hides the first fault."""

from omniroute_agent.engine.breaker import moment
from omniroute_agent.engine.candidates import NO_MODEL_HELP
from omniroute_agent.engine.decision import Attempt, Exclusion
from omniroute_agent.engine.run import Run
from omniroute_agent.kernel.errors import (
    CallError,
    DeadlineExceeded,
    InvalidRequest,
    LimitReached,
    NoRoute,
    UpstreamFailed,
)


def failure_of(run: Run) -> CallError:
    facts: dict[str, object] = {
        "request_id": run.request.id,
        "tried": [_attempt_line(attempt) for attempt in run.attempts],
        "excluded": [_exclusion_line(exclusion) for exclusion in (*run.plan.excluded, *run.excluded)],
    }
    error = _error(run)
    error.facts = {**facts, **error.facts}
    return error


def _error(run: Run) -> CallError:
    last = run.last_fault
    trail = "; ".join(_attempt_line(attempt) for attempt in run.attempts)
    if last is not None and last.effect.ends_loop:
        return InvalidRequest(
            f"The provider refused the request itself: {last.detail}",
            hint="Another provider would refuse it too; mend it.",
        )
    if run.committed:
        return UpstreamFailed(
            f"The answer broke off after it had begun: {trail}.",
            hint="Ask again; what came so far is incomplete.",
            facts={"partial": True, "retryable": True},
        )
    if run.attempts and run.seconds_left <= 0:
        return DeadlineExceeded(
            f"The time ran out before a target answered: {trail}.", hint="Allow more with deadline_seconds."
        )
    if run.attempts:
        return _all_failed(run, trail)
    return _nothing_tried(run)


def _all_failed(run: Run, trail: str) -> CallError:
    waits = [tried.fault.retry_after for tried in run.tries if tried.fault and tried.fault.retry_after is not None]
    # Whoever was not even asked may be the first to come back.
    if (first := _first_back(run)) is not None:
        waits.append(first[1])
    count = len(run.attempts)
    targets = "The one target" if count == 1 else f"All {count} attempts"
    hint = (
        f"Try again in {min(waits):.0f} s." if waits else "`omniroute-agent doctor` shows what each connection needs."
    )
    return UpstreamFailed(
        f"{targets} failed: {trail}.",
        hint=hint,
        facts={"retry_after_seconds": min(waits) if waits else None, "retryable": bool(waits)},
    )


def _first_back(run: Run) -> tuple[str, float] | None:
    """When the first of the excluded targets may be asked again, and in how many seconds; None: nobody knows of any."""
    excluded = (*run.plan.excluded, *run.excluded)
    first = min((exclusion.until for exclusion in excluded if exclusion.until), default=None)
    if first is None:
        return None
    # What is told to people is cut to whole seconds.
    return first, round(max(moment(first) + 1 - run.ports.now().timestamp(), 0.0), 3)


def _nothing_tried(run: Run) -> CallError:
    excluded = (*run.plan.excluded, *run.excluded)
    if run.limit is not None:
        return run.limit
    if not excluded:
        return NoRoute("No language model is reachable from here yet.", hint=NO_MODEL_HELP)
    lines = "; ".join(_exclusion_line(exclusion) for exclusion in excluded)
    if all(exclusion.reason in ("over_budget", "degraded") for exclusion in excluded):
        return LimitReached(
            f"The budget allows no target: {lines}.", hint="Raise the budget or ask for a shorter answer."
        )
    first = _first_back(run)
    if first is None:
        return NoRoute(
            f"Every target was excluded: {lines}.", hint="`omniroute-agent doctor` shows what each connection needs."
        )
    back, wait = first
    return NoRoute(
        f"Every target was excluded: {lines}.",
        hint=f"The first may come back at {back}.",
        facts={"retry_after_seconds": wait, "retryable": True},
    )


def _attempt_line(attempt: Attempt) -> str:
    return f"{attempt.target}: {attempt.fault or attempt.outcome}" + (f" ({attempt.detail})" if attempt.detail else "")


def _exclusion_line(exclusion: Exclusion) -> str:
    return f"{exclusion.target}: {exclusion.reason} ({exclusion.detail})"
