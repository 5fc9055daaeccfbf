"""What one external service is called with: limits of time, retries, breaker, rates, fallbacks.

The numbers come from ``[services.NAME]`` of config.toml. Under the supervisor the engine has
checked them and hands them over as a JSON file (``LONGWATCH_SERVICES_FILE``); alone, the
config.toml of the project is read; without either the defaults here hold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor.calls.faults import SettingsError
from supervisor.core.backoff import Exponential
from supervisor.core.breaker import BreakerPolicy
from supervisor.errors import UserError
from supervisor.services.terms import Limits

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

SERVICES_FILE = "LONGWATCH_SERVICES_FILE"
ALWAYS_RETRIED = frozenset({408, 409, 425, 529})
"""Beside ``retryable_status_codes``, which lists those that people ask about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """``[services.NAME.retry_config]``; the names and defaults are a contract."""

    max_retries: int = 5
    base_delay_seconds: float = 0.5
    max_delay_seconds: float = 30.0
    exponential_base: float = 2.0
    jitter_fraction: float = 0.2
    retryable_status_codes: tuple[int, ...] = (429, 500, 502, 503, 504)

    def delay_s(self, retry: int, random_unit: float) -> float:
        """Seconds before retry number ``retry`` (from 1); ``random_unit`` in [0, 1)."""
        wave = Exponential(
            self.base_delay_seconds,
            self.exponential_base,
            self.max_delay_seconds,
            self.jitter_fraction,
        )
        return wave.delay_s(retry, random_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds, each for its own part of a call; a slow answer that keeps coming is not cut."""

    connect: float = 10.0
    first_token: float = 60.0
    """From the request to the first piece of the answer."""
    gap: float = 45.0
    """Between two pieces; keep-alive pings are no pieces."""
    response: float = 600.0
    """The whole of one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """Everything about one service."""

    name: str
    retry: RetryConfig = field(default_factory=RetryConfig)
    times: TimeLimits = field(default_factory=TimeLimits)
    failure_rate: float = 0.5
    minimum_calls: int = 5
    window_seconds: float = 60.0
    cool_down_seconds: float = 30.0
    spread_seconds: float = 5.0
    """Callers that waited for the breaker come back spread over this time."""
    limits: Limits = field(default_factory=Limits)
    fallback: tuple[Mapping[str, str], ...] = ()
    """Tables of ``fallback``: {model} of the same service, or {base_url, model, api_key_env}."""

    @property
    def breaker(self) -> BreakerPolicy:
        """For ``core.breaker``; a probe is dead once its call must have ended."""
        return BreakerPolicy(
            failure_rate=self.failure_rate,
            minimum_calls=self.minimum_calls,
            window_s=self.window_seconds,
            cool_down_s=self.cool_down_seconds,
            probe_s=self.times.connect + self.times.response,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens of one model."""

    input: float
    output: float
    cache_read: float
    cache_write: float


def settings_of(name: str, environ: Mapping[str, str] | None = None) -> ServiceSettings:
    """The settings of service ``name``. Raises SettingsError for a table that makes no sense."""
    table = _tables(_source(os.environ if environ is None else environ)).get("services", {})
    return service_from_table(name, table.get(name, {}))


def service_from_table(name: str, table: Mapping[str, Any]) -> ServiceSettings:
    """The settings that a checked table of config.toml describes."""
    given = dict(table)
    settings = ServiceSettings(name=name)
    retry = _changed(settings.retry, given.pop("retry_config", {}), f"services.{name}.retry_config")
    times = _changed(settings.times, given.pop("timeouts", {}), f"services.{name}.timeouts")
    rates = {
        "requests_per_minute": "requests_per_minute",
        "tokens_per_minute": "tokens_per_minute",
        "burst_seconds": "burst_s",
    }
    limits = replace(settings.limits, **{to: given.pop(k) for k, to in rates.items() if k in given})
    fallback = tuple(given.pop("fallback", ()))
    settings = replace(settings, retry=retry, times=times, limits=limits, fallback=fallback)
    return _changed(settings, given, f"services.{name}")


def price_table(environ: Mapping[str, str] | None = None) -> dict[str, Price]:
    """Prices by model: the shipped ones, and ``[prices."MODEL"]`` of config.toml over them."""
    from supervisor.calls.prices import SHIPPED

    given = _tables(_source(os.environ if environ is None else environ)).get("prices", {})
    own = {
        model: Price(
            row["input"],
            row["output"],
            row.get("cache_read", row["input"] * 0.1),
            row.get("cache_write", row["input"] * 1.25),
        )
        for model, row in given.items()
    }
    return {**SHIPPED, **own}


def _changed(defaults: T, table: Mapping[str, Any], where: str) -> T:
    known = {each.name for each in fields(defaults)}
    if unknown := sorted(set(table) - known):
        raise SettingsError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(known)}")
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return replace(defaults, **{**table, **lists})


def _source(environ: Mapping[str, str]) -> tuple[str, str]:
    """What to read: ("json", path), ("toml", path) or ("", "")."""
    if path := environ.get(SERVICES_FILE):
        return "json", path
    here = Path.cwd()
    found = next((d for d in (here, *here.parents) if (d / "config.toml").is_file()), None)
    return ("toml", str(found / "config.toml")) if found else ("", "")


def _tables(source: tuple[str, str]) -> dict[str, Any]:
    kind, path = source
    if not kind:
        return {}
    try:
        return _read(kind, path, Path(path).stat().st_mtime_ns)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, UserError) as error:
        raise SettingsError(f"{path}: {error}") from error


@cache
def _read(kind: str, path: str, _changed_ns: int) -> dict[str, Any]:
    if kind == "toml":
        from supervisor.config.load import load_config
        from supervisor.config.paths import Project

        data = load_config(Project(Path(path).parent)).services_file
    else:
        data = Path(path).read_bytes()
    tables = json.loads(data)
    return tables if isinstance(tables, dict) else {}
