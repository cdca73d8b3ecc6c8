"""The local model as commands need it without an open house: whether it is there, and fetching it."""

from contextlib import suppress

from omniroute_agent.cli.failures import CommandFailed
from omniroute_agent.outside.addresses import AllowedOrigins
from omniroute_agent.outside.ports import quiet_http_logs, real_ports
from omniroute_agent.providers.local.pull import Progress, PullFailed, pull
from omniroute_agent.providers.local.server import LocalModel, LocalState
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.sources import child_environment


async def local_state(settings: Settings) -> LocalState:
    origins = AllowedOrigins()
    ports = real_ports(origins)
    try:
        model = LocalModel(settings.directory, ports=ports, origins=origins, child_environment=child_environment())
        return model.state()
    finally:
        await ports.http.aclose()


async def fetch_model(settings: Settings, progress: Progress) -> str:
    """Have the local model and give the path of its file.

    Raises:
        CommandFailed: it could not be fetched.
    """
    quiet_http_logs()
    origins = AllowedOrigins()
    url = settings.local.model_url or None
    if url is not None:
        origins.allow(url)
    ports = real_ports(origins)
    # Pull makes only what is missing below; what is wrong with the directory it will say itself.
    with suppress(OSError):
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        path = await pull(
            settings.directory / "models",
            ports=ports,
            child_environment=child_environment(),
            progress=progress,
            source_url=url,
        )
    except PullFailed as error:
        raise CommandFailed(error.message, error.hint, "pull_failed") from error
    finally:
        await ports.http.aclose()
    return str(path)
