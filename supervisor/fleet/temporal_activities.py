"""A delivery as Temporal knows it: an activity that is polled for, held by heartbeats, and ended.

Raw calls of Temporal's service instead of the library's activity worker: the token outlives the
engine, an agent runs on while the engine starts anew, and what is parked holds no slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from supervisor.fleet.temporal_connection import (
    TemporalSettings,
    is_missing,
    patiently,
    unreachable,
)
from supervisor.fleet.temporal_token import Token, read_token
from supervisor.queue.port import StaleLeaseError

if TYPE_CHECKING:
    from temporalio.client import Client

MIN_POLL_S, POLL_MARGIN_S = 2.2, 1.1
"""Temporal refuses polls below 2 s, and answers an empty one a second before its end."""


def token_of(text: str) -> Token:
    """What stands in it; StaleLeaseError for what nobody gave out."""
    found = read_token(text)
    if found is None:
        raise StaleLeaseError("this is no token of a lease")
    return found


class TemporalActivities:
    """The calls about deliveries."""

    def __init__(self, settings: TemporalSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._service = client.workflow_service
        self._places: dict[str, Mapping[str, Any]] = {}
        """Where the run of each lease is in its work, for the Temporal UI."""

    def show(self, token: str, place: Mapping[str, Any]) -> None:
        """Goes out with the next heartbeat."""
        self._places[token] = place

    def forget(self, token: str) -> None:
        """The lease is over."""
        self._places.pop(token, None)

    async def complete(self, token: str, plain: dict[str, Any]) -> None:
        """The delivery is done, with what the workflow is to go on with."""
        from temporalio.api.common.v1 import Payloads
        from temporalio.api.workflowservice.v1 import RespondActivityTaskCompletedRequest

        await self._ask(
            "respond_activity_task_completed",
            RespondActivityTaskCompletedRequest(
                namespace=self._settings.namespace,
                task_token=token_of(token).task_token,
                identity="longwatch",
                result=Payloads(payloads=await self._client.data_converter.encode([plain])),
            ),
        )

    async def poll(self, task_queue: str, worker: str, wait_s: float) -> Any:
        """Take one activity; None, or an answer without a token, when there was none in time."""
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest
        from temporalio.service import RPCError, RPCStatusCode

        try:
            return await self._service.poll_activity_task_queue(
                PollActivityTaskQueueRequest(
                    namespace=self._settings.namespace,
                    task_queue=TaskQueue(name=task_queue),
                    identity=worker,
                ),
                timeout=timedelta(seconds=max(MIN_POLL_S, wait_s + POLL_MARGIN_S)),
            )
        except RPCError as error:
            if error.status in {RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}:
                return None
            raise unreachable(self._settings, error) from error

    async def is_held(self, token: str) -> bool:
        """Whether the lease still holds; a heartbeat, so it holds on from now."""
        if read_token(token) is not None and await self.beat(token, self._plain(token)):
            return True
        self.forget(token)
        return False

    async def beat(self, token: str, details: Mapping[str, Any]) -> bool:
        """A heartbeat with these details; whether the activity is ours still."""
        held = token_of(token)
        from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest

        try:
            answer = await self._ask(
                "record_activity_task_heartbeat",
                RecordActivityTaskHeartbeatRequest(
                    namespace=self._settings.namespace,
                    task_token=held.task_token,
                    identity="longwatch",
                    details=await self._payloads(details),
                ),
            )
        except StaleLeaseError:
            return False
        return not answer.cancel_requested

    def _plain(self, token: str, **more: Any) -> dict[str, Any]:
        held = token_of(token)
        files = f"{self._settings.prefix}/files/{held.task_id}"
        return {**self._places.get(token, {}), "files": files, "fence": held.fence, **more}

    async def _payloads(self, plain: Mapping[str, Any]) -> Any:
        from temporalio.api.common.v1 import Payloads

        return Payloads(payloads=await self._client.data_converter.encode([dict(plain)]))

    async def _ask(self, call: str, request: Any) -> Any:
        """One call about an activity; StaleLeaseError when Temporal knows it no more."""
        from temporalio.service import RPCError, RPCStatusCode

        refused = {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION}
        try:
            return await patiently(self._settings, lambda: getattr(self._service, call)(request))
        except RPCError as error:
            if is_missing(error) or error.status in refused:
                raise StaleLeaseError(f"the lease is over: {error}") from error
            raise unreachable(self._settings, error) from error

    async def fail(
        self, token: str, problem: str, retry_in_s: float | None, kind: str = "failed"
    ) -> None:
        from google.protobuf.duration_pb2 import Duration
        from temporalio.api.common.v1 import Payloads
        from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
        from temporalio.api.workflowservice.v1 import RespondActivityTaskFailedRequest

        held = token_of(token)
        info = ApplicationFailureInfo(
            type=kind,
            non_retryable=retry_in_s is None,
            details=Payloads(payloads=await self._client.data_converter.encode([held.attempt])),
        )
        if retry_in_s is not None:
            wait = Duration()
            wait.FromTimedelta(timedelta(seconds=max(retry_in_s, 0.001)))
            info.next_retry_delay.CopyFrom(wait)
        failure = Failure(message=problem, source="longwatch", application_failure_info=info)
        await self._ask(
            "respond_activity_task_failed",
            RespondActivityTaskFailedRequest(
                namespace=self._settings.namespace,
                task_token=held.task_token,
                identity="longwatch",
                failure=failure,
                last_heartbeat_details=await self._payloads(self._plain(token, problem=problem)),
            ),
        )
