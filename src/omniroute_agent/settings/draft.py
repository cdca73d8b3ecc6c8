"""The raw values as they come together, each with its origin, and everything that was found wrong on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from omniroute_agent.settings.entries import (
    ComboSettings,
    ConnectionSettings,
    GuardSettings,
    ModelSettings,
    PriceSettings,
)
from omniroute_agent.settings.model import Document, Origin, Settings, leaves, variable
from omniroute_agent.settings.paths import CONFIG_VARIABLE, DIRECTORY_VARIABLE, absolute, default_directory
from omniroute_agent.settings.problems import Problem, SettingsError, nearest
from omniroute_agent.settings.toml_lines import Place, line_of, lines
from omniroute_agent.settings.values import check_address

_PREFIX: Final = "OMNIROUTE_"
MASTER_KEY_VARIABLE: Final = "OMNIROUTE_MASTER_KEY"
NEXT_MASTER_KEY_VARIABLE: Final = "OMNIROUTE_MASTER_KEY_NEXT"
"""Read by `connections rotate-key` when the present key comes from the environment."""
OTLP_VARIABLE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""What every program that sends spans reads; our own variable of the setting goes first."""
_NO_SETTINGS: Final = frozenset(
    (
        CONFIG_VARIABLE,
        DIRECTORY_VARIABLE,
        *(f"{name}{end}" for name in (MASTER_KEY_VARIABLE, NEXT_MASTER_KEY_VARIABLE) for end in ("", "_FILE")),
    )
)
"""Variables of ours that are read elsewhere."""

_ROWS: Final[Mapping[str, type[BaseModel]]] = {
    "connections": ConnectionSettings,
    "combos": ComboSettings,
    "guards": GuardSettings,
    "models": ModelSettings,
    "prices": PriceSettings,
}
_LEAVES: Final = leaves()

_EXPECTED: Final = {
    "missing": "this is required",
    "value_error": "{error}",
    "literal_error": "expected {expected}",
    "model_type": "expected a table",
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
    "tuple_type": "expected a list of tables, each under its own [[…]] heading",
    "string_type": "expected a text in quotes",
    "path_type": "expected a text in quotes",
    "is_instance_of": "expected a text in quotes",
    "string_pattern_mismatch": "expected up to 64 letters, digits, dots, dashes, underscores; a letter or digit first",
    "string_too_short": "expected a text that is not empty",
    "too_short": "expected at least one",
    "greater_than_equal": "expected a number of at least {ge}",
    "less_than_equal": "expected a number of at most {le}",
}
"""The validator's words → ours, for the reader of a file."""


@dataclass
class Draft:
    path: Path
    """The settings file, whether it exists or not."""
    found: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _raw: dict[str, Any] = field(default_factory=dict)
    _origins: dict[str, Origin] = field(default_factory=dict)
    _places: Mapping[Place, int] = field(default_factory=dict)

    def add_file(self, content: bytes) -> None:
        # Imported here because most starts find no file: 3 ms on the way to the first answer.
        import tomllib  # noqa: PLC0415 (lazy)
        from decimal import Decimal  # noqa: PLC0415 (lazy)

        self.found = True
        try:
            text = content.decode("utf-8-sig")
            self._raw = tomllib.loads(text, parse_float=Decimal)
        except UnicodeDecodeError as error:
            self.problems.append(self.problem("settings", f"the file is not UTF-8 text (byte {error.start})"))
            return
        except tomllib.TOMLDecodeError as error:
            self.problems.append(self.problem("settings", f"the file is not TOML: {error}"))
            return
        self._places = lines(text)
        for key in _LEAVES:
            section, _, name = key.partition(".")
            table = self._raw.get(section)
            if isinstance(table, dict) and name in table:
                self._origins[key] = Origin("file", str(self.path), line_of((section, name), self._places))
        for table_name in {*_ROWS, "headers", "aliases"} & self._raw.keys():
            self._origins[table_name] = Origin("file", str(self.path), line_of((table_name, 0), self._places))
        self._anchor_paths()

    def _anchor_paths(self) -> None:
        """Relative paths in the file start at the file, because a client starts us in any directory."""
        tables = [(self._raw.get("storage"), "directory"), (self._raw.get("auth"), "jwks_file")]
        tables += [(self._raw.get("server"), name) for name in ("tls_cert", "tls_key")]
        tables += [(connection, "key_file") for _, connection in self._rows("connections")]
        for table, name in tables:
            if isinstance(table, dict) and isinstance(table.get(name), str):
                table[name] = str(absolute(Path(table[name]), self.path.parent))

    def add_environment(self, environment: Mapping[str, str]) -> None:
        known = {variable(key): key for key in _LEAVES}
        self._put_collector(environment.get(OTLP_VARIABLE, ""))
        for name in sorted(name for name in environment if name.startswith(_PREFIX)):
            if name in known:
                self._put(known[name], environment[name], Origin("environment", name))
            elif name not in _NO_SETTINGS:
                self._unknown_variable(name, list(known))
        self._put(
            "storage.directory", environment.get(DIRECTORY_VARIABLE, ""), Origin("environment", DIRECTORY_VARIABLE)
        )

    def _put_collector(self, address: str) -> None:
        """The variable is not ours: what we cannot use may suit other programs, and does not stop us."""
        try:
            self._put("otel.endpoint", check_address(address) if address else "", Origin("environment", OTLP_VARIABLE))
        except ValueError as error:
            self.warnings.append(Problem(key=OTLP_VARIABLE, message=f"{error}; no spans are sent"))

    def _unknown_variable(self, name: str, known: list[str]) -> None:
        sections = tuple(f"{_PREFIX}{section.upper()}_" for section in Document.model_fields)
        guesses = nearest(name.removeprefix(_PREFIX), [other.removeprefix(_PREFIX) for other in known])
        guesses = tuple(_PREFIX + guess for guess in guesses)
        problem = Problem(key=name, message="no setting has this variable", nearest=guesses)
        # A variable of ours with an unknown section may belong to something else, such as a client's own key.
        (self.problems if name.startswith(sections) else self.warnings).append(problem)

    def add_flags(self, flags: Mapping[str, object]) -> None:
        """
        Raises:
            KeyError: a name that is no setting.
        """
        for key, value in flags.items():
            if key not in _LEAVES:
                raise KeyError(key)
            flag = "--data-dir" if key == "storage.directory" else f"--{key.partition('.')[2].replace('_', '-')}"
            self._put(key, value, Origin("flag", flag))

    def _put(self, key: str, value: object, origin: Origin) -> None:
        """Set one value; an empty text or None counts as not given."""
        if value is None or value == "":
            return
        if key == "storage.directory":
            value = str(absolute(Path(str(value)), Path.cwd()))
        section, _, name = key.partition(".")
        table = self._raw.setdefault(section, {})
        if isinstance(table, dict):
            table[name] = value
            self._origins[key] = origin

    def settle(self) -> Settings:
        """
        Raises:
            SettingsError: everything that was found wrong.
        """
        self._find_contradictions()
        complete = {key.partition(".")[0]: {} for key in _LEAVES} | self._raw
        document = None
        try:
            document = Document.model_validate(complete)
        except ValidationError as invalid:
            self.problems += [self._explain(dict(error)) for error in invalid.errors(include_url=False)]
        # Raised outside the handler: the library's error holds the raw values, and a traceback would carry it along.
        if document is None or self.problems:
            raise SettingsError(sorted(self.problems, key=lambda problem: problem.line or 0))
        return Settings(
            **{name: getattr(document, name) for name in Document.model_fields},
            directory=document.storage.directory or default_directory(),
            config_path=self.path,
            config_found=self.found,
            origins=self._origins,
            warnings=tuple(self.warnings),
        )

    def _find_contradictions(self) -> None:
        """What no single value shows. Read off the raw tables, so that it is told together with everything else."""
        for table, name in (("connections", "id"), ("combos", "name"), ("guards", "name")):
            seen: set[str] = set()
            for index, row in self._rows(table):
                value = row.get(name)
                if isinstance(value, str) and value in seen:
                    self.problems.append(self.problem(table, f'"{value}" is taken already', table, index, name))
                elif isinstance(value, str):
                    seen.add(value)
        for index, row in self._rows("connections"):
            keys = [name for name in ("key_env", "key_file", "key") if name in row]
            if len(keys) > 1:
                message = f"only one of {' and '.join(keys)} may be set"
                self.problems.append(self.problem("connections", message, "connections", index, keys[-1]))

    def _rows(self, table: str) -> Iterator[tuple[int, dict[str, Any]]]:
        rows = self._raw.get(table)
        if isinstance(rows, list):
            yield from ((index, row) for index, row in enumerate(rows) if isinstance(row, dict))

    def _explain(self, error: Mapping[str, Any]) -> Problem:
        """What a reader of the file can do about an error of the validator. Never repeats the value."""
        place: Place = error["loc"]
        key = _spell(place)
        origin = self._origins.get(key) or self._elsewhere(key)
        if origin is not None and origin.kind != "file":
            return Problem(key=key, message=_expectation(error), where=origin.where)
        if error["type"] == "extra_forbidden":
            found = self.problem(key, "there is no such setting", *place)
            return Problem(
                key=key,
                message=found.message,
                where=found.where,
                line=found.line,
                nearest=nearest(key, _known_beside(place)),
            )
        return self.problem(key, _expectation(error), *place)

    def _elsewhere(self, section: str) -> Origin | None:
        """What sets a value of this section beside the file: its values do not go together."""
        inside = (origin for key, origin in self._origins.items() if key.startswith(f"{section}."))
        return next((origin for origin in inside if origin.kind != "file"), None)

    def problem(self, key: str, message: str, *place: str | int) -> Problem:
        """A problem at `place` in the file."""
        return Problem(key=key, message=message, where=str(self.path), line=line_of(place, self._places))


def _spell(place: Place) -> str:
    """`("connections", 0, "id")` as `connections[0].id`."""
    text = ""
    for piece in place:
        if isinstance(piece, int):
            text += f"[{piece}]"
        elif piece != "[key]":  # the validator's word for "the name itself, not its value"
            quoted = f'"{piece}"' if "/" in piece or "." in piece else piece
            text += f".{quoted}" if text else quoted
    return text


def _known_beside(place: Place) -> list[str]:
    """The names that could have been meant where an unknown one stands."""
    model = _ROWS.get(str(place[0])) if len(place) > 1 else None
    if model is None:
        return [*Document.model_fields, *_LEAVES]
    return [f"{_spell(place[:-1])}.{name}" for name in model.model_fields]


def _expectation(error: Mapping[str, Any]) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    words = _EXPECTED.get(error["type"])
    return words.format_map(context) if words else str(error["msg"])
