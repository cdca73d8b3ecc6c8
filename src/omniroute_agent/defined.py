"""What the settings define, as the rooms take it: no room knows the settings themselves."""

from collections.abc import Mapping
from pathlib import Path

from omniroute_agent.engine.combos import Combo
from omniroute_agent.engine.reuse import Keeping
from omniroute_agent.kernel.errors import StoreUnavailable
from omniroute_agent.kernel.guard import Guard
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.discovery import ENVIRONMENT_GUARD, ConnectionSpec
from omniroute_agent.providers.known import OwnModel, Said
from omniroute_agent.providers.proxies import Proxies
from omniroute_agent.settings.master_key import KeyPlace, MasterKeys, key_places
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.private import state_key
from omniroute_agent.settings.problems import SettingsError
from omniroute_agent.settings.sources import connection_key
from omniroute_agent.store.cached import Bounds


def connections_of(settings: Settings, environment: Mapping[str, str] | None) -> tuple[ConnectionSpec, ...]:
    return tuple(
        ConnectionSpec(
            id=connection.id,
            provider=connection.provider,
            base_url=connection.base_url,
            key=connection_key(connection, environment).secret,
            models=connection.models,
            default_model=connection.default_model,
            tier=connection.tier,
            headers=connection.headers,
            proxy=connection.proxy,
            expires_at=connection.expires,
        )
        for connection in settings.connections
    )


def keys_of(settings: Settings, environment: Mapping[str, str] | None) -> MasterKeys:
    def places() -> tuple[KeyPlace, ...]:
        return key_places(settings.directory, keyring=settings.secrets.keyring, environment=environment)

    return MasterKeys(places)


def proxies_of(settings: Settings) -> Proxies:
    return Proxies(
        everywhere=settings.proxy.url,
        by_provider=settings.proxy.providers,
        by_combo={combo.name: combo.proxy for combo in settings.combos if combo.proxy is not None},
    )


def combos_of(settings: Settings) -> tuple[Combo, ...]:
    return tuple(
        Combo(
            name=c.name,
            targets=c.targets,
            strategy=c.strategy,
            options=c.all_options,
            tier=c.tier,
            enabled=c.enabled,
        )
        for c in settings.combos
    )


def keeping_of(settings: Settings) -> Keeping | None:
    cache = settings.cache
    if not cache.enabled:
        return None
    return Keeping(seconds=cache.minutes * 60.0, bounds=Bounds(entries=cache.max_entries, bytes=cache.max_mib * 2**20))


def guards_of(settings: Settings) -> tuple[Guard, ...]:
    """Those of the settings; one of the name `environment` stands for the setting of its own."""
    per_day = settings.budget.environment_usd_per_day
    environment = () if per_day is None else (Guard(name=ENVIRONMENT_GUARD, limit=per_day),)
    return environment + tuple(
        Guard(
            name=guard.name,
            limit=guard.limit_usd,
            period=guard.period,
            action=guard.action,
            tier=guard.tier,
            caller=guard.caller,
            combo=guard.combo,
            enabled=guard.enabled,
        )
        for guard in settings.guards
    )


def state_key_of(directory: Path) -> Secret:
    try:
        return state_key(directory)
    except SettingsError as error:
        raise StoreUnavailable(" ".join(problem.sentence() for problem in error.problems)) from None


def own_models_of(settings: Settings) -> tuple[OwnModel, ...]:
    return tuple(
        OwnModel(
            connection=row.connection,
            model=row.model,
            said=Said.model_validate(row.model_dump(exclude_unset=True)),
            source="settings",
        )
        for row in settings.models
    )
