"""What an error of an external service means: a name for people, and whether to try again.

Statuses and types are those of the Anthropic and OpenAI error references, RFC 9110 and RFC 6585.
Wording of a message is looked at last and only to make a permanent error more precise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

RETRYABLE_STATUS_CODES = (408, 409, 425, 429, 500, 502, 503, 504, 529)


class FaultKind(StrEnum):
    """The operator sees these names."""

    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server-error"
    CONNECTION = "connection"
    CONNECT_TIMEOUT = "connect-timeout"
    FIRST_TOKEN_TIMEOUT = "first-token-timeout"  # noqa: S105 - no password
    GAP_TIMEOUT = "gap-timeout"
    RESPONSE_TIMEOUT = "response-timeout"
    TRUNCATED = "truncated-stream"
    CONFLICT = "conflict"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not-found"
    TOO_LARGE = "too-large"
    CONTEXT_OVERFLOW = "context-overflow"
    CONTENT_POLICY = "content-policy"
    CREDIT = "spent-credit"
    BAD_REQUEST = "bad-request"
    UNKNOWN = "unknown"


RETRYABLE = frozenset(
    {
        FaultKind.RATE_LIMITED, FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.CONNECTION,
        FaultKind.CONNECT_TIMEOUT, FaultKind.FIRST_TOKEN_TIMEOUT, FaultKind.GAP_TIMEOUT,
        FaultKind.RESPONSE_TIMEOUT, FaultKind.TRUNCATED, FaultKind.CONFLICT,
    }
)  # fmt: skip
TELLS_OF_AN_OUTAGE = RETRYABLE - {FaultKind.RATE_LIMITED, FaultKind.CONFLICT}
"""Count for the breaker. Too many requests of ours are no failure of the service."""

EXIT_STATUS = {
    FaultKind.AUTHENTICATION: 77,
    FaultKind.PERMISSION: 77,
    FaultKind.CREDIT: 69,
    FaultKind.NOT_FOUND: 78,
    FaultKind.TOO_LARGE: 65,
    FaultKind.CONTEXT_OVERFLOW: 65,
    FaultKind.CONTENT_POLICY: 65,
    FaultKind.BAD_REQUEST: 65,
}
"""sysexits.h: EX_NOPERM, EX_UNAVAILABLE, EX_CONFIG, EX_DATAERR. All are permanent to the engine."""

_BY_STATUS = {
    401: FaultKind.AUTHENTICATION,
    402: FaultKind.CREDIT,
    403: FaultKind.PERMISSION,
    404: FaultKind.NOT_FOUND,
    408: FaultKind.RESPONSE_TIMEOUT,
    409: FaultKind.CONFLICT,
    413: FaultKind.TOO_LARGE,
    425: FaultKind.CONFLICT,
    429: FaultKind.RATE_LIMITED,
    529: FaultKind.OVERLOADED,
}
_BY_CODE = {  # error.type and error.code of the bodies
    "overloaded_error": FaultKind.OVERLOADED,
    "rate_limit_error": FaultKind.RATE_LIMITED,
    "api_error": FaultKind.SERVER_ERROR,
    "timeout_error": FaultKind.RESPONSE_TIMEOUT,
    "authentication_error": FaultKind.AUTHENTICATION,
    "permission_error": FaultKind.PERMISSION,
    "billing_error": FaultKind.CREDIT,
    "not_found_error": FaultKind.NOT_FOUND,
    "request_too_large": FaultKind.TOO_LARGE,
    "insufficient_quota": FaultKind.CREDIT,
    "context_length_exceeded": FaultKind.CONTEXT_OVERFLOW,
    "content_filter": FaultKind.CONTENT_POLICY,
    "content_policy_violation": FaultKind.CONTENT_POLICY,
    "invalid_api_key": FaultKind.AUTHENTICATION,
    "model_not_found": FaultKind.NOT_FOUND,
}
_BY_WORDS = (
    (FaultKind.CREDIT, r"credit balance|insufficient[_ ]quota|exceeded your current quota"),
    (
        FaultKind.CONTEXT_OVERFLOW,
        r"prompt is too long|context (?:window|length)|max(?:imum)? context",
    ),
    (FaultKind.CONTENT_POLICY, r"content (?:filter|policy)|blocked by|usage polic"),
)


@dataclass(frozen=True, slots=True)
class CallFault:
    """One failed call."""

    kind: FaultKind
    message: str
    """For people, one line."""
    status: int | None = None
    """HTTP status, where there was a response."""
    wait_s: float | None = None
    """How long the service asks us to wait."""

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may work later."""
        return self.kind in RETRYABLE

    @property
    def is_outage(self) -> bool:
        """Whether the breaker counts it."""
        return self.kind in TELLS_OF_AN_OUTAGE


def kind_of_response(status: int, codes: tuple[str, ...], message: str) -> FaultKind:
    """What a response with an error says. ``codes``: error.type and error.code of its body.

    An error inside a stream that began well carries status 200; its type decides alone.
    """
    for code in codes:
        if code in ("insufficient_quota", "billing_error"):
            return FaultKind.CREDIT  # comes as 429, and waiting does not help
    kind = _BY_STATUS.get(status)
    if kind is None and status >= 500:
        kind = FaultKind.SERVER_ERROR
    if kind is None:
        kind = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
    if kind is None or kind is FaultKind.PERMISSION:
        worded = (k for k, words in _BY_WORDS if re.search(words, message, re.IGNORECASE))
        kind = next(worded, kind)
    if kind is not None:
        return kind
    return FaultKind.BAD_REQUEST if 400 <= status < 500 else FaultKind.UNKNOWN
