"""Rows of tasks with everything a test does not care about filled in."""

from agent.store.bills import AT
from omniroute_agent.store.tasks import TaskRow


def an_errand(
    id: str,  # noqa: A002 (its id)
    *,
    owner: str = "owner",
    state: str = "working",
    version: int = 1,
    instance: str | None = "here",
    at: float = AT,
    context_id: str = "talk",
    note: str = "",
    body: bytes = b"body",
    expires_at: float | None = None,
) -> TaskRow:
    return TaskRow(
        owner=owner,
        id=id,
        context_id=context_id,
        skill="smart-routing",
        state=state,
        status_at=at,
        note=note,
        version=version,
        instance=instance,
        body=body,
        created_at=AT,
        updated_at=at,
        expires_at=expires_at,
    )
