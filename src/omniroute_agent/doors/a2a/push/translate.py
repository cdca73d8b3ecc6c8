"""Hooks as each version of A2A writes them, and back into the newer one. Loads the SDK's types."""

from a2a.compat.v0_3 import types as old
from a2a.types import a2a_pb2 as pb

from omniroute_agent.doors.a2a.push.configs import PushConfig
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.secret import Secret


def from_1_0(config: pb.TaskPushNotificationConfig) -> PushConfig:
    """Its `task_id` is the caller's to read: a hook that comes along with a message has none."""
    return PushConfig(
        protocol="1.0",
        url=config.url,
        id=config.id,
        token=_secret(config.token),
        scheme=config.authentication.scheme,
        credentials=_secret(config.authentication.credentials),
    )


def to_1_0(config: PushConfig, task_id: str) -> pb.TaskPushNotificationConfig:
    told = pb.TaskPushNotificationConfig(
        task_id=task_id, id=config.id, url=config.url, token=config.token.reveal() if config.token else ""
    )
    if config.scheme:
        told.authentication.scheme = config.scheme
    if config.credentials:
        told.authentication.credentials = config.credentials.reveal()
    return told


def from_0_3(config: old.PushNotificationConfig) -> PushConfig:
    """
    Raises:
        InvalidRequest: it wants schemes, and credentials that could belong to any of them.
    """
    authentication = config.authentication
    schemes = authentication.schemes if authentication else []
    credentials = authentication.credentials if authentication else None
    if credentials and len(schemes) > 1:
        raise InvalidRequest(
            "The push notification's `authentication.schemes` names several, and `credentials` belong to one.",
            hint="Name the one scheme that the credentials are for.",
            facts={"field": "authentication.schemes"},
        )
    return PushConfig(
        protocol="0.3",
        url=config.url,
        id=config.id or "",
        token=_secret(config.token),
        scheme=_chosen(schemes),
        credentials=_secret(credentials),
    )


def _chosen(schemes: list[str]) -> str:
    """Of several without credentials: the one this server has means for, its own signature as a bearer token."""
    return next((scheme for scheme in schemes if scheme.lower() == "bearer"), schemes[0] if schemes else "")


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None
