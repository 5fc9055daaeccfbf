"""``[pools]`` and ``[pipelines]`` to the frozen ``PoolSpec`` of each queue.

A stage is a pool called PIPELINE.STAGE with the settings of its agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from supervisor.config.model import AgentTable, PipelineTable, PoolTable, StageTable
from supervisor.config.problems import nearest, show
from supervisor.core.pool import PoolSpec
from supervisor.core.spec import AgentSpec, Restart
from supervisor.core.task import DeliveryPolicy, Join

Where = tuple[str | int, ...]
WORKER = "LONGWATCH_WORKER"
"""Set for a long-lived worker: it waits for deliveries in its run directory."""
OF_A_POOL = frozenset({"agent", "workers", "worker", "max_deliveries", "intake"})
"""Keys of a pool that say nothing about how its workers are launched."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What ``load`` lends: each reports problems by itself."""

    table: Callable[[Any, Any, Where], Any]
    problem: Callable[..., None]
    tables_of: Callable[[Any, str], Mapping[str, Any]]
    spec: Callable[[AgentTable, AgentTable, Where, Any], AgentSpec]
    path: Callable[[str, Where], str]


def read_pools(
    data: Mapping[str, Any], base: AgentTable, agents: Mapping[str, AgentSpec], tools: Tools
) -> dict[str, PoolSpec]:
    """Every queue that has workers, by its name."""
    reading = _Reading(base, agents, tools)
    pools = {}
    for name, raw in tools.tables_of(data.get("pools", {}), "pools").items():
        pool = reading.pool(name, raw)
        if pool is not None:
            pools[name] = pool
    for name, raw in tools.tables_of(data.get("pipelines", {}), "pipelines").items():
        if name in pools or name in agents:
            tools.problem(("pipelines", name), "a name that a pool or an agent has", "its own name")
        for stage in reading.pipeline(name, raw):
            if stage.name in pools:
                tools.problem(
                    ("pipelines", name),
                    f"the queue {show(stage.name)}, which a pool has",
                    "a queue of its own",
                )
            pools[stage.name] = stage
    return pools


class _Reading:
    """The tables of one file."""

    def __init__(self, base: AgentTable, agents: Mapping[str, AgentSpec], tools: Tools) -> None:
        self._base = base
        self._agents = agents
        self._tools = tools

    def pool(self, name: str, raw: Any) -> PoolSpec | None:
        """One ``[pools.NAME]``; None when nothing of it can be used."""
        where = ("pools", name)
        table: PoolTable | None = self._tools.table(PoolTable, raw, where)
        if table is None:
            return None
        if name in self._agents:
            self._tools.problem(where, "a name that an agent has", "a name of its own")
        if table.agent is not None:
            for key in sorted(table.model_fields_set - OF_A_POOL):
                self._tools.problem(
                    (*where, key),
                    "it stands beside agent",
                    f"settings of the workers in [agents.{table.agent}]",
                )
            spec = self._agent(table.agent, (*where, "agent"))
            if spec is None:
                return None
            spec = replace(spec, name=name)
            retries = 0
        else:
            spec = self._tools.spec(table, self._base, where, raw)
            own = table.retry
            retries = own.max_retries if "max_retries" in own.model_fields_set else 0
        if spec.restart is Restart.ALWAYS:
            self._tools.problem(
                (*where, "restart"), '"always"', "on-failure or never: a task is done once"
            )
        return self._made(name, spec, table, where, retries)

    def pipeline(self, name: str, raw: Any) -> list[PoolSpec]:
        """The stages of one ``[pipelines.NAME]``, first to last."""
        table: PipelineTable | None = self._tools.table(PipelineTable, raw, ("pipelines", name))
        if table is None:
            return []
        stages = table.stages
        queues = [f"{name}.{stage.name}" for stage in stages]
        found = []
        for index, stage in enumerate(stages):
            where = ("pipelines", name, "stages", index)
            self._check(stage, stages[:index], where)
            spec = self._agent(stage.agent, (*where, "agent"))
            if spec is None:
                continue
            pool = self._made(queues[index], _staged(spec, stage, queues[index]), stage, where, 0)
            has_next = index + 1 < len(stages)
            found.append(
                replace(
                    pool,
                    pipeline=name,
                    next=queues[index + 1] if has_next else None,
                    is_next_join=has_next and stages[index + 1].join,
                    joins=_joins(stages, queues, index),
                )
            )
        return found

    def _check(self, stage: StageTable, before: list[StageTable], where: Where) -> None:
        if stage.name in {other.name for other in before}:
            self._tools.problem(
                (*where, "name"),
                f"the stage {show(stage.name)} a second time",
                "each stage once: a task never goes back",
            )
        if stage.join and not before:
            self._tools.problem(
                (*where, "join"), "true for the first stage", "a stage before it to wait for"
            )

    def _agent(self, name: str, where: Where) -> AgentSpec | None:
        spec = self._agents.get(name)
        if spec is None:
            close = nearest(name, self._agents)
            self._tools.problem(
                where,
                f"no agent {show(name)}",
                "the name of an agent of this file",
                f'Did you mean "{close}"?' if close else "",
            )
        return spec

    def _made(
        self, name: str, spec: AgentSpec, table: PoolTable | StageTable, where: Where, retries: int
    ) -> PoolSpec:
        policy = spec.retry
        intake = self._tools.path(table.intake, (*where, "intake")) if table.intake else None
        is_long_lived = table.worker == "long-lived"
        if is_long_lived:
            # It is the worker that is started again then; the delivery has failed already.
            spec = replace(
                spec, env={**spec.env, WORKER: "1"}, timeout_s=None, stall_timeout_s=None
            )
        else:
            # A retry within a delivery would keep the worker from other tasks while it waits.
            spec = replace(spec, retry=replace(policy, max_retries=retries))
        return PoolSpec(
            name=name,
            spec=replace(spec, autostart=False),
            is_long_lived=is_long_lived,
            workers=table.workers,
            intake=intake,
            delivery=DeliveryPolicy(
                max_deliveries=table.max_deliveries,
                base_delay_s=policy.base_delay_s,
                max_delay_s=policy.max_delay_s,
                exponential_base=policy.exponential_base,
                jitter_fraction=policy.jitter_fraction,
            ),
        )


def _staged(spec: AgentSpec, stage: StageTable, queue: str) -> AgentSpec:
    given = stage.model_fields_set
    return replace(
        spec,
        name=queue,
        restart=Restart.NEVER if spec.restart is Restart.NEVER else Restart.ON_FAILURE,
        timeout_s=stage.timeout if "timeout" in given else spec.timeout_s,
        attempt_timeout_s=(
            stage.attempt_timeout if "attempt_timeout" in given else spec.attempt_timeout_s
        ),
    )


def _joins(stages: list[StageTable], queues: list[str], index: int) -> tuple[Join, ...]:
    """The joins ahead of a task in stage ``index``."""
    return tuple(
        Join(
            queue=queues[later],
            of=queues[later - 1],
            max_deliveries=stages[later].max_deliveries,
        )
        for later in range(index + 1, len(stages))
        if stages[later].join
    )
