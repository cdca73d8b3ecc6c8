"""When a credential ends, in words."""

from datetime import datetime, timedelta
from typing import Final

SOON: Final = timedelta(days=14)
"""From here on an expiry is announced."""


def expiry_note(expires_at: datetime | None, now: datetime) -> str | None:
    """What to say about a credential that has expired or soon will; None while there is time."""
    if expires_at is None or expires_at - now > SOON:
        return None
    when = expires_at.isoformat(timespec="minutes").replace("+00:00", "Z")
    if expires_at <= now:
        return f"Its key has expired ({when}): put a new one in its place."
    left = expires_at - now
    days = f"{left.days} days" if left.days > 1 else f"{round(left.total_seconds() / 3600)} hours"
    return f"Its key expires in {days} ({when}): renew it in time."
