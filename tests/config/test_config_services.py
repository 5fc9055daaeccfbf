"""``[services]`` and ``[prices]``: checked like the rest, and handed to agents as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.calls.prices import find_price
from supervisor.calls.settings import price_table, settings_of
from supervisor.config.load import check_config, load_config
from supervisor.config.paths import Project

GOOD = """
[agents.a]
command = ["true"]
[services.anthropic]
cool_down_seconds = "1m"
requests_per_minute = 50
fallback = [{ model = "claude-haiku-4-5" }, { model = "llama", base_url = "http://127.0.0.1:1/v1" }]
[services.anthropic.retry_config]
max_retries = 2
retryable_status_codes = [503]
[services.anthropic.timeouts]
gap = "20s"
[prices."claude-next"]
input = 4
output = 20
"""


def project_of(folder: Path, text: str) -> Project:
    (folder / "config.toml").write_text(text)
    return Project(folder)


def handed_over(folder: Path, text: str) -> dict[str, str]:
    """The environment of an agent of that configuration."""
    file = folder / "services.json"
    file.write_bytes(load_config(project_of(folder, text)).services_file)
    return {"LONGWATCH_SERVICES_FILE": str(file)}


def test_an_agent_calls_with_what_the_file_says_and_else_the_defaults(tmp_path: Path) -> None:
    settings = settings_of("anthropic", handed_over(tmp_path, GOOD))
    assert settings.retry.max_retries == 2
    assert settings.retry.retryable_status_codes == (503,)
    assert settings.retry.base_delay_seconds == 0.5
    assert settings.times.gap == 20.0 and settings.times.first_token == 60.0
    assert settings.cool_down_seconds == 60.0
    assert settings.limits.requests_per_minute == 50
    assert [link["model"] for link in settings.fallback] == ["claude-haiku-4-5", "llama"]


def test_the_defaults_of_retries_are_the_contract() -> None:
    retry = settings_of("anything", {}).retry
    assert (retry.max_retries, retry.base_delay_seconds, retry.max_delay_seconds) == (5, 0.5, 30)
    assert (retry.exponential_base, retry.jitter_fraction) == (2.0, 0.2)
    assert retry.retryable_status_codes == (429, 500, 502, 503, 504)


@pytest.mark.parametrize("random_unit", [0.0, 0.5, 0.999])
def test_waits_double_up_to_the_bound_within_the_jitter(random_unit: float) -> None:
    retry = settings_of("anything", {}).retry
    for number, plain in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30], 1):
        assert plain * 0.8 <= retry.delay_s(number, random_unit) <= plain * 1.2


def test_prices_of_the_file_go_before_the_shipped_ones(tmp_path: Path) -> None:
    prices = price_table(handed_over(tmp_path, GOOD))
    price = find_price(prices, "claude-next-20270101")
    assert price is not None and price.cache_read == pytest.approx(0.4)
    assert find_price(prices, "claude-haiku-4-5-20251001") == prices["claude-haiku-4-5"]
    assert find_price(prices, "claude-haiku-4-5-large") is None


@pytest.mark.parametrize(
    ("line", "key", "word"),
    [
        ("cooldown = 3", "services.x.cooldown", "cool_down_seconds"),
        ("failure_rate = 1.5", "services.x.failure_rate", "at most 1"),
        ("fallback = [{ base_url = 'http://x' }]", "services.x.fallback[0].model", "missing"),
        ("retry_config = { max_retry = 1 }", "services.x.retry_config.max_retry", "max_retries"),
        ("retry_config = { retryable_status_codes = [200] }",
         "services.x.retry_config.retryable_status_codes[0]", "400 or more"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_what_was_meant(
    tmp_path: Path, line: str, key: str, word: str
) -> None:
    config, problems = check_config(project_of(tmp_path, f"[services.x]\n{line}\n"))
    assert config is None
    (said,) = [str(problem) for problem in problems]
    assert key in said and word in said


def test_without_a_supervisor_the_projects_own_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project_of(tmp_path, GOOD)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert settings_of("anthropic", {}).retry.max_retries == 2
