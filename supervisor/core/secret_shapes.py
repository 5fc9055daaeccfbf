"""Secrets that can be told by their looks: prefixes of issuers, headers, PEM, passwords in URLs.

A shape takes in nothing but the characters of a token: no agent can hide a command from the
operator by writing it so that it looks like a key.

Sources of the shapes: the prefixes that the issuers document (GitHub "authentication token
formats", Slack "token types", AWS IAM "unique identifiers", Google Cloud "API keys", Stripe "API
keys", GitLab "token prefixes", Anthropic and OpenAI key formats), RFC 6750 (Bearer), RFC 7235
(Authorization), RFC 7519 (JWT), RFC 7468 (PEM), RFC 3986 3.2.1 (user information), and the rules
of gitleaks and detect-secrets for their lengths.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = r"[A-Za-z0-9._~+/=-]"  # noqa: S105
"""A character of a token68 of RFC 7235, and the dot of a JWT."""
_END = r"(?![A-Za-z0-9])"


class Shape(NamedTuple):
    """A kind of secret that can be told by its looks."""

    anchors: tuple[str, ...]
    """In lower case; without one of them in the text the pattern is not tried."""
    label: str
    pattern: re.Pattern[str]
    """Group 1 is the secret where there is one, else the whole match is."""


def _shape(anchors: str, label: str, pattern: str) -> Shape:
    return Shape(tuple(anchors.split()), label, re.compile(pattern, re.ASCII))


def _prefixed(prefix: str, rest: str) -> str:
    """A prefix that no letter or digit precedes; the literal comes first, which is what is fast."""
    return rf"{prefix}(?<![A-Za-z0-9]{prefix}){rest}"


_PEM_GAP = r"(?:\s|\\[nr]|\^[JM])*"
SHAPES = (
    _shape("sk-ant-", "Anthropic key", _prefixed("sk-ant-", r"[A-Za-z0-9_-]{16,}")),
    _shape(
        "sk-", "API key",
        _prefixed("sk-", r"(?!ant-)(?:(?:proj|svcacct|admin|or|lf|live|test)-[A-Za-z0-9_-]{16,}"
                         r"|[A-Za-z0-9]{20,})"),
    ),
    _shape("sk_live_ sk_test_ rk_live_ rk_test_", "Stripe key",
           r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    _shape("whsec_", "webhook secret", _prefixed("whsec_", r"[A-Za-z0-9+/=]{16,}")),
    _shape("ghp_ gho_ ghu_ ghs_ ghr_", "GitHub token", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _shape("github_pat_", "GitHub token", r"github_pat_[A-Za-z0-9_]{20,}"),
    _shape("glpat-", "GitLab token", r"glpat-[A-Za-z0-9_-]{16,}"),
    _shape("xox", "Slack token", _prefixed("xox", r"[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{8,}")),
    _shape("xapp-", "Slack token", _prefixed("xapp-", r"[A-Za-z0-9-]{12,}")),
    _shape("hooks.slack.com/", "Slack webhook",
           r"hooks\.slack\.com/((?:services|workflows|triggers)/[A-Za-z0-9_/-]{8,})"),
    _shape("/api/webhooks/", "Discord webhook",
           r"discord(?:app)?\.com/api/webhooks/([0-9]{8,}/[A-Za-z0-9_-]{16,})"),
    _shape("akia asia abia acca", "AWS key id", r"A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}" + _END),
    _shape("aiza", "Google key", r"AIza[A-Za-z0-9_-]{35}"),
    _shape("ya29.", "Google token", _prefixed(r"ya29\.", r"[A-Za-z0-9_-]{20,}")),
    _shape("gocspx-", "Google secret", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    _shape("eyj", "JWT",
           r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),
    _shape("npm_", "npm token", _prefixed("npm_", r"[A-Za-z0-9]{36}")),
    _shape("pypi-ageicha", "PyPI token", r"pypi-AgEIcH[A-Za-z0-9_-]{20,}"),
    _shape("hf_", "Hugging Face token", _prefixed("hf_", r"[A-Za-z0-9]{30,}")),
    _shape("gsk_", "Groq key", _prefixed("gsk_", r"[A-Za-z0-9]{40,}")),
    _shape("xai-", "xAI key", _prefixed("xai-", r"[A-Za-z0-9]{40,}")),
    _shape("sg.", "SendGrid key", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    _shape("age-secret-key-", "age key", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    _shape("private key", "private key",
           r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
           + rf"{_PEM_GAP}(?:(?:Proc-Type|DEK-Info): [A-Z0-9a-z,-]{{1,80}}{_PEM_GAP})*"
           + rf"(?:[A-Za-z0-9+/=]{{16,}}{_PEM_GAP})*"
           # A short last line only where it is the last: words are no base64.
           + rf"(?:[A-Za-z0-9+/=]*{_PEM_GAP}-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----"
           + r"|[A-Za-z0-9+/=]{1,15}(?=\Z|…|\.\.\.))?"),
    _shape("://", "password", r"://[^\s/:@?#\[\]'\"<>]{0,80}:([A-Za-z0-9._~!*+,=:%^#?-]{1,200})@"),
    _shape("bearer", "Bearer token", rf"(?i:bearer)[ \t]+((?=[^\s]*[0-9]){TOKEN}{{8,}})"),
    _shape("authorization", "Authorization",
           r"(?i:authorization)[\"']?[ \t]*[:=][ \t]*[\"']?(?i:basic|token|apikey|negotiate|digest)"
           rf"[ \t]+({TOKEN}{{6,}})"),
)  # fmt: skip
