"""Configuration: environment variables that begin with OO_."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ml.recommender.policies import CURRENT
from oo_contracts.partition import PARTITIONS


class ConfigError(ValueError):
    """The environment does not hold a valid configuration. Each problem names its variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The configuration is not valid:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


def _partitions(value: object) -> object:
    """`all` or `0-31,40`."""
    if not isinstance(value, str):
        return value
    owned: set[int] = set()
    for part in [f"0-{PARTITIONS - 1}"] if value == "all" else value.split(","):
        first, _, last = part.strip().partition("-")
        numbers = (int(first), int(last or first))
        if not 0 <= numbers[0] <= numbers[1] < PARTITIONS:
            raise ValueError("not a range")
        owned.update(range(numbers[0], numbers[1] + 1))
    return frozenset(owned)


def _policy(value: object) -> object:
    if value not in CURRENT:
        raise ValueError("no such policy")
    return value


Partitions = Annotated[frozenset[int], NoDecode, BeforeValidator(_partitions)]

_ALLOWED: Final[Mapping[str, str]] = {
    "nats_url": "nats://TOKEN@HOST:PORT, several with commas between",
    "health_port": "a port from 1 to 65535, or nothing for neither health nor POST /recommend",
    "host": "an address to listen on: 127.0.0.1, or 0.0.0.0 in a container",
    "clock": "system, steered",
    "log_level": "trace, debug, info, warn, error, fatal, silent",
    "partitions": f"all, or numbers and ranges below {PARTITIONS} such as 0-31,40",
    "policy": ", ".join(sorted(CURRENT)),
    "snapshots": "a folder of this process alone, or nothing for no snapshots",
}
_SECRET: Final = ("nats_url",)


class Settings(BaseSettings):
    """What the recommender is told. An empty variable counts as not given."""

    model_config = SettingsConfigDict(env_prefix="OO_", env_ignore_empty=True, frozen=True)

    nats_url: Annotated[str, Field(pattern=r"^(nats|tls)://\S+$")]
    health_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    clock: Literal["system", "steered"] = "system"
    log_level: Literal["trace", "debug", "info", "warn", "error", "fatal", "silent"] = "info"
    partitions: Partitions = frozenset(range(PARTITIONS))
    policy: Annotated[str, BeforeValidator(_policy)] = "heuristic"
    snapshots: Path | None = None


def read_settings() -> Settings:
    """Raises ConfigError with all that is wrong: each variable, what was given and what is allowed."""
    from_environment: dict[str, Any] = {}
    try:
        return Settings(**from_environment)
    except ValidationError as error:
        found = {str(problem["loc"][0]): problem for problem in error.errors()}
        raise ConfigError([_describe(name, problem) for name, problem in found.items()]) from error


def _describe(name: str, problem: Mapping[str, Any]) -> str:
    given = "not given"
    if problem["type"] != "missing":
        value = str(problem["input"])
        given = f"given a value of {len(value)} characters" if name in _SECRET else f"given {value!r}"
    return f"OO_{name.upper()}: {given}; allowed: {_ALLOWED[name]}"
