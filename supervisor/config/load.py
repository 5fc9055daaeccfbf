"""config.toml to the frozen ``AgentSpec`` of each agent: every error said at once.

Imports pydantic (about 0.1 s): never from a verb that only asks the engine something. Reads
the file once and starts nothing; ``advice`` looks at the rest of the disk.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from supervisor.config import names
from supervisor.config.anomalies import AnomaliesTable
from supervisor.config.durations import format_duration
from supervisor.config.explain import explain, unknown_key
from supervisor.config.fleet import FleetTable
from supervisor.config.hosts import HostTable
from supervisor.config.metrics import MetricsSection
from supervisor.config.model import (
    AgentTable,
    RetryTable,
    Table,
    TuiTable,
)
from supervisor.config.notify import NotifySettings, NotifyTable, notify_settings
from supervisor.config.paths import Project
from supervisor.config.pools import Tools, read_pools
from supervisor.config.problems import Problem, Problems, nearest, show
from supervisor.config.read import Source, read_source
from supervisor.config.services import BudgetTable, PriceTable, ServiceTable, services_file
from supervisor.config.whole import ConfigTables
from supervisor.core.pool import PoolSpec
from supervisor.core.spec import AgentSpec, Budget, BudgetAction, Restart, RetryPolicy

Where = tuple[str | int, ...]
T = TypeVar("T", bound=Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One good reading of config.toml."""

    agents: dict[str, AgentSpec]
    """By name, in the order of the file."""
    descriptions: dict[str, str]
    """What each agent is for; only those that have one."""
    notify: NotifySettings
    """Who is told what."""
    metrics: MetricsSection
    anomalies: AnomaliesTable
    """Who may read the figures from outside."""
    fleet: FleetTable | None
    """Where several machines share their tasks; None for this one alone."""
    hosts: dict[str, HostTable]
    """Other machines, by the name that ``--host`` takes."""
    pools: dict[str, PoolSpec]
    """By the name of their queue; the stages of pipelines are pools called PIPELINE.STAGE."""
    budget: Budget | None
    """What all agents together may spend on a day."""
    services_file: bytes
    """JSON for the agents: ``[services]`` and ``[prices]`` as they were written."""
    sha256: str
    """Of the file's bytes: the same digest is the same configuration."""


def load_config(project: Project) -> Config:
    """The project's configuration; ConfigError with every problem found. Blocks on one read."""
    config, problems = check_config(project)
    problems.raise_if_any()
    assert config is not None, "no configuration and no error"
    return config


def check_config(project: Project) -> tuple[Config | None, Problems]:
    """The configuration, None when it has errors, and all that is wrong with the file."""
    problems = Problems()
    source = read_source(project.config_file, problems)
    return (check_source(source, problems, project) if source else None), problems


def check_source(source: Source, problems: Problems, project: Project) -> Config | None:
    """The configuration of one reading; None when it has errors. What is wrong is reported."""
    config = _Reading(source, problems, project).read()
    return None if problems.has_errors() else config


def check_tui(source: Source, problems: Problems, project: Project) -> TuiTable:
    """``[tui]`` alone, for the interface; what is faulty is reported and left at its default."""
    raw = source.data.get("tui", {})
    return _Reading(source, problems, project)._table(TuiTable, raw, ("tui",)) or TuiTable()


class _Reading:
    """One file on its way to a Config; used once."""

    def __init__(self, source: Source, problems: Problems, project: Project) -> None:
        self._source = source
        self._problems = problems
        self._directory = project.directory
        defaults = source.data.get("defaults", {})
        self._raw_defaults = defaults if isinstance(defaults, dict) else {}
        self._placeholders = {"{python}": sys.executable, "{project}": str(project.directory)}

    def read(self) -> Config:
        data = self._source.data
        for key in data:
            if key not in ConfigTables.model_fields:
                self._problem((key,), *unknown_key((key,), ConfigTables))
        self._table(TuiTable, data.get("tui", {}), ("tui",))
        defaults = data.get("defaults", {})
        base = self._table(AgentTable, defaults, ("defaults",)) or AgentTable()
        agents = self._agents(data.get("agents", {}), base)
        notify = self._table(NotifyTable, data.get("notify", {}), ("notify",)) or NotifyTable()
        return Config(
            agents={name: spec for name, (spec, _) in agents.items()},
            descriptions={name: text for name, (_, text) in agents.items() if text},
            notify=notify_settings(notify),
            metrics=self._table(MetricsSection, data.get("metrics", {}), ("metrics",))
            or MetricsSection(),
            anomalies=self._table(AnomaliesTable, data.get("anomalies", {}), ("anomalies",))
            or AnomaliesTable(),
            fleet=self._fleet(data.get("fleet")),
            hosts=self._plain_tables(HostTable, "hosts"),
            pools=read_pools(
                data,
                base,
                {name: spec for name, (spec, _) in agents.items()},
                Tools(self._table, self._problem, self._tables_of, self._spec, self._cwd),
            ),
            budget=_budget(
                (
                    day := self._table(BudgetTable, data.get("budget", {}), ("budget",))
                    or BudgetTable()
                ).usd_per_day,
                day.action,
            ),
            services_file=services_file(
                self._plain_tables(ServiceTable, "services"),
                self._plain_tables(PriceTable, "prices", are_names_ours=False),
            ),
            sha256=self._source.sha256,
        )

    def _fleet(self, raw: Any) -> FleetTable | None:
        table = self._table(FleetTable, raw, ("fleet",)) if raw is not None else None
        if table is None or table.engine is None:
            return None
        if table.engine == "temporal" and table.address is None:
            self._problem(
                ("fleet", "address"), "it is missing", "the address of the cluster",
                'Add: address = "host:7233"',
            )  # fmt: skip
        if table.engine == "nats" and not table.servers:
            self._problem(
                ("fleet", "servers"), "it is missing", "at least one address",
                'Add: servers = ["nats://host:4222"]',
            )  # fmt: skip
        return table

    def _plain_tables(
        self, kind: type[T], section: str, *, are_names_ours: bool = True
    ) -> dict[str, T]:
        """The tables of a section in which nothing is inherited."""
        raw = self._source.data.get(section, {})
        named = (
            self._tables_of(raw, section) if are_names_ours or not isinstance(raw, dict) else raw
        )
        tables = {name: self._table(kind, value, (section, name)) for name, value in named.items()}
        return {name: table for name, table in tables.items() if table is not None}

    def _agents(self, raw: Any, defaults: AgentTable) -> dict[str, tuple[AgentSpec, str]]:
        found = {}
        for name, value in self._tables_of(raw, "agents").items():
            where = ("agents", name)
            table = self._table(AgentTable, value, where)
            spec = self._spec(table or AgentTable(), defaults, where, value)
            described = table if table and "description" in table.model_fields_set else defaults
            found[name] = (spec, described.description)
        return found

    def _spec(self, agent: AgentTable, base: AgentTable, where: Where, raw: Any) -> AgentSpec:
        """The merged settings: what the agent (``raw`` as written) says, else ``[defaults]``."""

        def pick(key: str) -> Any:
            return getattr(agent if key in agent.model_fields_set else base, key)

        command = pick("command")
        if not command and isinstance(raw, dict) and "command" not in {**self._raw_defaults, **raw}:
            self._problem(
                (*where, "command"),
                "it is missing",
                "a list of strings",
                'Add: command = ["program", "argument"]',
            )
        return AgentSpec(
            name=str(where[1]),
            command=tuple(self._placed(part, (*where, "command")) for part in command),
            cwd=self._cwd(pick("cwd"), (*where, "cwd")),
            autostart=pick("autostart"),
            checkpoint=pick("checkpoint"),
            timeout_s=pick("timeout"),
            attempt_timeout_s=pick("attempt_timeout"),
            stall_timeout_s=pick("stall_timeout"),
            stop_signal=pick("stop_signal"),
            stop_grace_s=pick("stop_grace"),
            restart=Restart(pick("restart")),
            retry=self._retry(agent.retry, base.retry, (*where, "retry")),
            env={
                key: self._placed(value, (*where, "env", key))
                for key, value in {**base.env, **agent.env}.items()
            },
            env_pass=tuple(dict.fromkeys(pick("env_pass"))),
            unattended=pick("unattended"),
            log_cap_bytes=pick("log_cap"),
            max_memory_bytes=pick("max_memory"),
            budget=_budget(pick("budget_usd"), pick("budget_action")),
            remind_after_s=pick("remind_after"),
            remind_max_s=pick("remind_max"),
        )

    def _retry(self, agent: RetryTable, base: RetryTable, where: Where) -> RetryPolicy:
        def pick(key: str) -> Any:
            return getattr(agent if key in agent.model_fields_set else base, key)

        policy = RetryPolicy(
            max_retries=pick("max_retries"),
            base_delay_s=pick("base_delay_seconds"),
            max_delay_s=pick("max_delay_seconds"),
            exponential_base=float(pick("exponential_base")),
            jitter_fraction=float(pick("jitter_fraction")),
            crash_loop_deaths=pick("crash_loop_deaths"),
            crash_loop_window_s=pick("crash_loop_window"),
        )
        if policy.max_delay_s < policy.base_delay_s:
            self._problem(
                (*where, "max_delay_seconds"),
                f"{format_duration(policy.max_delay_s)}, less than base_delay_seconds "
                f"({format_duration(policy.base_delay_s)})",
                "an upper bound of the waits",
                "Raise max_delay_seconds or lower base_delay_seconds.",
            )
        return policy

    def _placed(self, text: str, where: Where) -> str:
        """``text`` with ``{python}`` and ``{project}`` replaced; other braces are left alone."""
        for placeholder, value in self._placeholders.items():
            text = text.replace(placeholder, value)
        if text[:1] == "{" and text[-1:] == "}" and text[1:-1].isidentifier():
            close = nearest(text, self._placeholders)
            if close is not None:
                self._problem(
                    where,
                    f"the unknown placeholder {show(text)}",
                    " or ".join(self._placeholders),
                    f"Did you mean {close}?",
                )
        return text

    def _cwd(self, text: str, where: Where) -> str:
        if "\0" in text:
            self._problem(where, "a path with a NUL byte in it", "a directory")
            return str(self._directory)
        # Joining an absolute path gives that path; nothing has to exist yet.
        return str(self._directory / self._placed(text, where))

    def _tables_of(self, raw: Any, section: str) -> Mapping[str, Any]:
        """The named tables of a section, their names checked."""
        if not isinstance(raw, dict):
            self._problem((section,), show(raw), f"tables such as [{section}.NAME]")
            return {}
        for name in raw:
            fault = names.name_fault(name)
            if fault is not None:
                self._problem((section, name), f"the name {show(name)}: {fault}", names.EXPECTED)
        for first, second in names.same_but_for_case(raw):
            self._problem(
                (section, second),
                f"the name differs from {show(first)} only in upper and lower case",
                "names that cannot be mistaken for each other",
                "Rename one of the two.",
            )
        return raw

    def _table(self, kind: type[T], value: Any, where: Where) -> T | None:
        """The validated table, its errors reported.

        What is left without the faulty keys comes back, so that the checks across keys still
        run and every error is said at once; None when nothing is.
        """
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            faults = error.errors(include_url=False)
        for fault in faults:
            key = (*where, *(part for part in fault["loc"] if part != "[key]"))
            self._problem(key, *explain(fault, key, kind))
        if not isinstance(value, dict):
            return None
        try:
            return kind.model_validate(_without(value, [fault["loc"] for fault in faults]))
        except ValidationError:
            return None

    def _problem(self, where: Where, found: str, expected: str = "", fix: str = "") -> None:
        self._problems.report(
            Problem(
                file=self._source.file,
                key=dotted(where),
                line=self._source.lines.line_of(where),
                found=found,
                expected=expected,
                fix=fix,
            )
        )


def _budget(usd: float | None, action: str) -> Budget | None:
    return None if usd is None else Budget(usd=usd, action=BudgetAction(action))


def _without(table: dict[str, Any], faulty: list[Where]) -> dict[str, Any]:
    """A copy of ``table`` without the keys at those paths; a faulty list goes as a whole."""
    kept = {}
    for key, value in table.items():
        inner = [path[1:] for path in faulty if path[:1] == (key,)]
        if not inner:
            kept[key] = value
        elif isinstance(value, dict) and all(inner):
            kept[key] = _without(value, inner)
    return kept


def dotted(where: Where) -> str:
    """A key path as TOML would write it, long names cut."""
    shown = ""
    for part in where:
        if isinstance(part, int):
            shown += f"[{part}]"
            continue
        bare = part.replace("-", "").replace("_", "")
        piece = part if bare.isascii() and bare.isalnum() else show(part)
        shown += f".{piece[:80]}" if shown else piece[:80]
    return shown
