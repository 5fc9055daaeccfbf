"""The agents of config.toml as they are in force: a broken file never replaces a good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from supervisor.config.anomalies import AnomaliesTable
from supervisor.config.fleet import FleetTable
from supervisor.config.load import load_config
from supervisor.config.metrics import MetricsSection
from supervisor.config.notify import NO_NOTIFICATIONS
from supervisor.config.paths import Project
from supervisor.core.pool import PoolSpec
from supervisor.core.run import RunState
from supervisor.core.spec import AgentSpec, Budget
from supervisor.engine.secrets import Secrets
from supervisor.errors import ConfigError, LongwatchError, UserError
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.safe_files import Signature, signature


class Specs:
    """Specs by agent name, in the order of the file, without the secrets in them."""

    def __init__(self, project: Project, secrets: Secrets) -> None:
        self._project = project
        self._secrets = secrets
        self._specs: dict[str, AgentSpec] = {}
        self._seen: Signature | None = None
        self.pools: dict[str, PoolSpec] = {}
        """Workers of queues, by queue."""
        self.fleet: FleetTable | None = None
        """Where tasks are shared; what it is at the engine's start counts."""
        self.notify = NO_NOTIFICATIONS
        """Who is told what."""
        self.metrics = MetricsSection()
        """Who may read the figures from outside."""
        self.anomalies = AnomaliesTable()
        """What is unusual, and what follows."""
        self.budget: Budget | None = None
        """What all agents together may spend on a day."""

    def load(self) -> list[str]:
        """Read the file; its problems, empty when it is in force now."""
        self._seen = signature(self._project.config_file)
        try:
            config = load_config(self._project)
        except ConfigError as error:
            return list(error.problems)
        except UserError as error:
            return [str(error)]
        configured = self._secrets.configured
        self._specs = {name: configured(spec) for name, spec in config.agents.items()}
        self.pools = {
            name: replace(pool, spec=configured(pool.spec)) for name, pool in config.pools.items()
        }
        self.budget = config.budget
        self.notify = config.notify
        self.metrics = config.metrics
        self.anomalies = config.anomalies
        self.fleet = config.fleet
        try:
            write_atomic(self._project.services_file, config.services_file)
        except LongwatchError as error:
            return [f"the settings of services did not reach the agents: {error}"]
        return []

    def has_changed(self) -> bool:
        """Whether the file is another one than was read last."""
        return signature(self._project.config_file) != self._seen

    def get(self, name: str) -> AgentSpec | None:
        """The spec of an agent."""
        return self._specs.get(name)

    def of_run(self, name: str) -> AgentSpec | None:
        """The settings in force for a run of that agent or pool."""
        pool = self.pools.get(name)
        return pool.spec if pool is not None else self._specs.get(name)

    def in_force(self, state: RunState) -> AgentSpec | None:
        """The settings of its agent now, with what this run was started with kept.

        None when config.toml no longer has that agent, or is not in force.
        """
        spec = self.of_run(state.agent)
        if spec is None:
            return None
        return replace(spec, unattended=spec.unattended or state.spec.unattended)

    def values(self) -> list[AgentSpec]:
        """All specs."""
        return list(self._specs.values())

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)
