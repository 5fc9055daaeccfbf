"""``answers/<id>.json``: what the operator decided, bound to what the agent asked.

The same request always gives the same answer, so it can be written again after a crash.
"""

from __future__ import annotations

from typing import Any

from supervisor.core.run import Request, RequestState
from supervisor.protocol.lenient import AgentModel, time_text


class AnswerFile(AgentModel):
    """An answer, version 1. Take it only when ``request_sha256`` is the hash of your request."""

    id: str
    """Name of the request's file without ``.json``."""
    request_sha256: str
    allow: bool | None
    """For approve; false for any kind when the operator denied."""
    option: str | None
    """For choose."""
    text: str | None
    """For text and edit: exactly what the operator approved."""
    fields: dict[str, Any] | None = None
    """For form: the value of every field by its name; null where nothing was given."""
    comment: str | None
    by: str
    """Which client answered, or what stood in for one."""
    answered_at: str
    """RFC 3339."""
    expired: bool
    """Nobody answered in time: no consent."""


def answer_to_json(request: Request) -> dict[str, Any]:
    """The content of the answer file of an answered, expired or withdrawn request."""
    answer = request.answer
    if answer is None:
        allow = False if request.kind == "approve" else None
        at = request.expires_at if request.expires_at is not None else request.created_at
        option = text = fields = None
        by, comment = "timeout", request.closed_why
    else:
        allow, option, text = answer.allow, answer.option, answer.text
        fields = answer.fields
        at, by, comment = answer.at, answer.by, answer.comment
    return {
        "id": request.file_id,
        "request_sha256": request.sha256,
        "allow": allow,
        "option": option,
        "text": text,
        "fields": fields,
        "comment": comment,
        "by": by,
        "answered_at": time_text(at),
        "expired": request.state is RequestState.EXPIRED,
    }
