"""The settings file and the environment, read and checked.

Precedence: flag, then environment, then file, then default.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.settings.draft import Draft
from omniroute_agent.settings.entries import ConnectionSettings
from omniroute_agent.settings.environment import environment as read_environment
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.paths import CONFIG_VARIABLE, absolute, default_config_path
from omniroute_agent.settings.problems import Problem, unreadable
from omniroute_agent.settings.values import is_loopback

_MAX_FILE_BYTES: Final = 1 << 20
_MAX_KEY_BYTES: Final = 1 << 14

_CHILD_VARIABLES: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TEMP", "TMP", "TMPDIR", "LANG", "LANGUAGE"),
        *("USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR"),
        *("COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
        *("PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    )
)
_CHILD_PREFIXES: Final = ("LC_", "SSL_CERT_", "PIP_", "UV_", "XDG_", "OMP_")


def load(
    *,
    config: Path | None = None,
    data_dir: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read everything and check it.

    `config` and `data_dir` are the flags of the same name; `overrides` are other flags by dotted name
    (`{"server.port": 9000}`), None where a flag was not given. `environment` is the process's own by default.

    Raises:
        SettingsError: holds every problem at once.
    """
    env = read_environment(environment)
    path, named_by = _config_path(config, env)
    draft = Draft(path)
    _read_file(draft, named_by)
    draft.add_environment(env)
    draft.add_flags({**(overrides or {}), "storage.directory": data_dir})
    settings = draft.settle()
    return settings.model_copy(update={"warnings": (*settings.warnings, *_doubts(draft, settings, env))})


def config_path(config: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The settings file that `load` would read, whether it exists or not."""
    return _config_path(config, read_environment(environment))[0]


def own_environment() -> dict[str, str]:
    """The whole environment, keys included: only for a child that is this program itself."""
    return dict(read_environment())


def _config_path(flag: Path | None, env: Mapping[str, str]) -> tuple[Path, str | None]:
    """Where the file lies, and who named it (None: nobody did, so it may be absent)."""
    if flag is not None:
        return absolute(flag, Path.cwd()), "--config"
    if named := env.get(CONFIG_VARIABLE):
        return absolute(Path(named), Path.cwd()), CONFIG_VARIABLE
    return default_config_path(), None


def _read_file(draft: Draft, named_by: str | None) -> None:
    try:
        with draft.path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        if named_by is not None:
            draft.problems.append(Problem(key=named_by, message=f"there is no file {draft.path}"))
    except OSError as error:
        draft.problems.append(unreadable(draft.path, error, key=named_by or "settings"))
    else:
        if len(content) > _MAX_FILE_BYTES:
            draft.problems.append(draft.problem("settings", "the file is larger than 1 MiB; is it the right one?"))
        else:
            draft.add_file(content)


def _doubts(draft: Draft, settings: Settings, env: Mapping[str, str]) -> Iterator[Problem]:
    for index, connection in enumerate(settings.connections):
        if connection.key is not None:
            message = "a key in the file is easily shared by mistake; prefer key_env or key_file"
            yield draft.problem(f"connections.{connection.id}.key", message, "connections", index, "key")
        key = connection_key(connection, env)
        if key.problem:
            yield draft.problem(f"connections.{connection.id}", key.problem, "connections", index)
        address = urlsplit(connection.base_url or "")
        if key.secret and address.scheme == "http" and not is_loopback(address.hostname or ""):
            message = "the key would travel unencrypted; use https unless you trust the whole way"
            yield draft.problem(f"connections.{connection.id}.base_url", message, "connections", index, "base_url")


@dataclass(frozen=True, slots=True)
class Key:
    """A credential that was looked for."""

    secret: Secret | None
    where: str
    """For people: `environment variable OPENAI_API_KEY`, `file /run/secrets/openai`, `the settings file`."""
    problem: str | None = None
    """Why there is none although one was named, without a full stop."""


def connection_key(connection: ConnectionSettings, environment: Mapping[str, str] | None = None) -> Key:
    """The key of a connection, read now: a rotated key file is seen by the next call."""
    if connection.key is not None:
        return checked_key(connection.key.reveal(), "the settings file")
    if connection.key_file is not None:
        return key_from_file(connection.key_file)
    if connection.key_env is not None:
        return _find_key(connection.key_env, read_environment(environment))
    return Key(None, "nowhere")


def provider_keys(names: Iterable[str], environment: Mapping[str, str] | None = None) -> dict[str, Secret]:
    """The variables of `names` that hold a usable key, directly or through the file that `NAME_FILE` names."""
    env = read_environment(environment)
    found = {name: _find_key(name, env).secret for name in names}
    return {name: secret for name, secret in found.items() if secret is not None}


def provider_key_problems(names: Iterable[str], environment: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """The variables of `names` that are set but give no key, for `doctor`."""
    env = read_environment(environment)
    found = [(name, _find_key(name, env).problem) for name in names if env.get(name) or env.get(f"{name}_FILE")]
    return tuple(Problem(key=name, message=problem) for name, problem in found if problem)


def named_key(name: str, environment: Mapping[str, str] | None = None) -> Key | None:
    """The key that a variable holds, or the file that `NAME_FILE` names; None when neither is set."""
    env = read_environment(environment)
    return _find_key(name, env) if env.get(name) or env.get(f"{name}_FILE") else None


def _find_key(name: str, env: Mapping[str, str]) -> Key:
    if env.get(name, "").strip():
        return checked_key(env[name], f"environment variable {name}")
    if file := env.get(f"{name}_FILE"):
        return key_from_file(absolute(Path(file), Path.cwd()))
    return Key(None, f"environment variable {name}", f"the environment variable {name} is not set")


def key_from_file(path: Path) -> Key:
    """The key that a file holds."""
    where = f"file {path}"
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_KEY_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        return Key(None, where, f"the key file {path} cannot be read ({error.strerror or error})")
    except UnicodeDecodeError:
        return Key(None, where, f"the key file {path} does not hold text")
    if len(content) > _MAX_KEY_BYTES:
        return Key(None, where, f"the key file {path} is too long for a key")
    return checked_key(text, where)


def checked_key(text: str, where: str) -> Key:
    """A text as a key, without the blanks around it; `where` says for people where it came from."""
    key = _on_one_line(text.strip())
    if not key:
        return Key(None, where, f"the key from the {where.removeprefix('the ')} is empty")
    if not key.isascii() or not key.isprintable():
        problem = (
            f"the key from the {where.removeprefix('the ')} holds characters that no key has, such as a line break"
        )
        return Key(None, where, problem)
    return Key(Secret(key), where)


def _on_one_line(text: str) -> str:
    """A key that is a JSON object (a service account's) without its line breaks; any other as it is."""
    if not text.startswith("{"):
        return text
    try:
        return json.dumps(json.loads(text), separators=(",", ":"))
    except ValueError:
        return text


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a child process may see: paths, locale, certificates, proxies, installer options. Never a provider's key."""
    return {
        name: value
        for name, value in read_environment(environment).items()
        if name.upper() in _CHILD_VARIABLES
        or name.upper().startswith(_CHILD_PREFIXES)
        or name.upper().endswith("_PROXY")
    }
