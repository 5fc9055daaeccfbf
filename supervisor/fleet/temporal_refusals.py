"""Why a Temporal cluster does not let us in, in words: certificates, API key, namespace.

Pure text out of what the library says, which is a Rust error with everything in it. What no second
try mends is told apart here from what may pass.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from supervisor.errors import UserError

if TYPE_CHECKING:
    from supervisor.fleet.temporal_connection import TemporalSettings

MAX_WORDS = 300
WHERE = "[fleet]"


def refused(settings: TemporalSettings, error: Exception) -> UserError | None:
    """What of ``[fleet]`` does not fit the cluster; None when another try may help."""
    said, where = str(error), settings.address
    if "both client cert and private key" in said:
        return UserError(
            "tls_cert and tls_key belong together", fix="Name both, or neither", where=WHERE
        )
    if "InvalidCertificate" in said:
        return _bad_certificate(settings, said)
    if "InvalidContentType" in said:
        return UserError(
            f"{where} speaks no TLS",
            why="tls, a certificate or an API key in [fleet] asks for it",
            fix="Check the address and its port, or take those keys out",
            where=WHERE,
        )
    if is_unauthorized(error) or "nauthorized" in said:
        return UserError(
            f"{where} refused us, {_given(settings)}: {words_of(error)}",
            why=f"expected somebody who may use the namespace {settings.namespace!r}",
            fix="Check api_key_env, or tls_cert and tls_key, and the namespace",
            where=WHERE,
        )
    if "get_system_info" in said and "transport error" in said:
        return _hung_up(settings)
    return None


def no_namespace(settings: TemporalSettings) -> UserError:
    """It answers, and does not know the namespace."""
    name = settings.namespace
    return UserError(
        f"the Temporal cluster at {settings.address} has no namespace {name!r}",
        why="it has to be there before tasks can be in it",
        fix=f"Correct it, or: temporal operator namespace create --namespace {name} "
        f"--address {settings.address}",
        where="[fleet] namespace",
    )


def is_unauthorized(error: Exception) -> bool:
    """Whether the cluster knows us not, or lets us do nothing."""
    from temporalio.service import RPCError, RPCStatusCode

    denied = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}
    return isinstance(error, RPCError) and error.status in denied


def words_of(error: Exception) -> str:
    """The part of an error that says something to people."""
    said = str(error) or type(error).__name__
    if "tcp connect error" in said and (found := re.search(r'message: "([^"]+)"', said)):
        return found[1].lower()
    return said.removeprefix("Failed client connect: ")[:MAX_WORDS]


def _bad_certificate(settings: TemporalSettings, said: str) -> UserError:
    trusted = settings.tls_ca or "an authority that this machine trusts"
    problem = f"its certificate is not signed by {trusted}"
    if found := re.search(r"NotValidForName.*?presented: \[(.*?)\]", said):
        names = found[1].replace('"', "")
        problem = f"its certificate is for {names}, not for this address"
    elif found := re.search(r"InvalidCertificate\((?!UnknownIssuer)(\w+)", said):
        problem = f"its certificate is not good: {found[1]}"
    return UserError(
        f"TLS with {settings.address} failed: {problem}",
        why="nothing was sent to it",
        fix="Check tls_ca and the name in address",
        where=WHERE,
    )


def _hung_up(settings: TemporalSettings) -> UserError:
    if is_tls(settings) and settings.tls_cert is None:
        fix = "If it asks for a certificate, name it: tls_cert and tls_key"
    elif is_tls(settings):
        fix = "Check that tls_cert is signed by an authority which the cluster trusts"
    else:
        fix = "If it speaks TLS: tls_ca, or tls = true for the authorities of this machine"
    return UserError(
        f"{settings.address} hung up at our first word",
        why="that is no Temporal cluster, or not reached as it wants",
        fix=fix,
        where=WHERE,
    )


def is_tls(settings: TemporalSettings) -> bool:
    """Whether the connection is to be encrypted."""
    named = (settings.tls_ca, settings.tls_cert, settings.api_key)
    return settings.is_tls or any(one is not None for one in named)


def _given(settings: TemporalSettings) -> str:
    if settings.api_key is not None:
        return "with the API key of api_key_env"
    if settings.tls_cert is not None:
        return f"with the certificate {settings.tls_cert}"
    return "no credentials were given"
