"""The tables of config.toml together: what may stand in the file at all."""

from __future__ import annotations

from pydantic import Field

from supervisor.config.anomalies import AnomaliesTable
from supervisor.config.fleet import FleetTable
from supervisor.config.hosts import HostTable
from supervisor.config.metrics import MetricsSection
from supervisor.config.model import AgentTable, PipelineTable, PoolTable, Table, TuiTable
from supervisor.config.notify import NotifyTable
from supervisor.config.services import BudgetTable, PriceTable, ServiceTable


class ConfigTables(Table):
    """The whole file."""

    defaults: AgentTable = Field(default_factory=AgentTable)
    agents: dict[str, AgentTable] = Field(default_factory=dict)
    services: dict[str, ServiceTable] = Field(default_factory=dict)
    prices: dict[str, PriceTable] = Field(default_factory=dict)
    budget: BudgetTable = Field(default_factory=BudgetTable)
    metrics: MetricsSection = Field(default_factory=MetricsSection)
    anomalies: AnomaliesTable = Field(default_factory=AnomaliesTable)
    notify: NotifyTable = Field(default_factory=NotifyTable)
    fleet: FleetTable = Field(default_factory=FleetTable)
    hosts: dict[str, HostTable] = Field(default_factory=dict)
    pools: dict[str, PoolTable] = Field(default_factory=dict)
    pipelines: dict[str, PipelineTable] = Field(default_factory=dict)
    tui: TuiTable = Field(default_factory=TuiTable)
