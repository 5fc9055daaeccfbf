"""Who answers when the primary does not, and how it comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from supervisor.agent import Agent
from supervisor.calls import Ask, CallError, Claude, Model, OpenAICompatible

REQUEST: dict[str, Any] = {
    "model": "claude-opus-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is the answer?"}],
}


def claude_at(provider: Any, *fallback: Any) -> Claude:
    return Claude(api_key="test-key-no-secret", base_url=provider.url, fallback=fallback)


@pytest.fixture
def quick(services: Any) -> Any:
    services.write(retry_config={"max_retries": 0}, minimum_calls=2)
    return services


def test_a_second_model_answers_when_the_first_is_overloaded(provider: Any, quick: Any) -> None:
    provider.script("529")
    message = claude_at(provider, Model("claude-haiku-4-5")).messages.create(**REQUEST)
    assert message.model == "claude-haiku-4-5"
    assert [entry["model"] for entry in provider.log()] == ["claude-opus-4-5", "claude-haiku-4-5"]


def test_an_openai_compatible_endpoint_answers_as_a_message(provider: Any, quick: Any) -> None:
    import anthropic

    provider.script("529", "529")
    local = OpenAICompatible("llama", base_url=f"{provider.url}/v1")
    claude = claude_at(provider, Model("claude-haiku-4-5"), local)
    tool = {"name": "weather", "description": "d", "input_schema": {"type": "object"}}
    message = claude.messages.create(**REQUEST, system="Be brief.", tools=[tool])
    assert isinstance(message, anthropic.types.Message)
    assert message.stop_reason == "tool_use" and message.content[0].input == {"city": "Bremen"}
    sent = provider.log()[-1]["request"]
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the answer?"},
    ]
    assert sent["tools"][0]["function"]["name"] == "weather"


def test_what_a_link_cannot_do_is_left_to_the_next(provider: Any, quick: Any) -> None:
    provider.always("529")
    local = OpenAICompatible("llama", base_url=f"{provider.url}/v1")
    claude = claude_at(provider, local, Ask(lambda request: request["model"], "by rule"))
    answer = claude.messages.create(**REQUEST, thinking={"type": "adaptive"})
    assert answer == "claude-opus-4-5"
    assert [entry["path"] for entry in provider.log()] == ["/v1/messages"]


def test_an_authentication_failure_is_not_papered_over(provider: Any, quick: Any) -> None:
    provider.script("401")
    with pytest.raises(CallError):
        claude_at(provider, Ask(lambda _: "x")).messages.create(**REQUEST)


def test_when_nobody_answers_the_first_error_names_the_others(provider: Any, quick: Any) -> None:
    provider.always("529")
    with pytest.raises(CallError) as caught:
        claude_at(provider, Model("claude-haiku-4-5")).messages.create(**REQUEST)
    assert "claude-haiku-4-5" in " ".join(caught.value.__notes__)


def test_the_primary_is_tried_again_once_its_breaker_lets_a_probe_through(
    provider: Any, quick: Any
) -> None:
    claude = claude_at(provider, Model("claude-haiku-4-5"))
    provider.script("529", "ok", "529", "ok")
    for _ in range(2):  # two failures open the breaker of the primary
        claude.messages.create(**REQUEST)
    assert not claude.service.available()
    claude.messages.create(**REQUEST)
    models = [entry["model"] for entry in provider.log()]
    assert models[-1] == "claude-haiku-4-5" and len(models) == 5  # the primary was left alone
    time.sleep(0.6)
    assert claude.service.available()
    assert claude.messages.create(**REQUEST).model == "claude-opus-4-5"


def test_the_chain_can_stand_in_the_configuration(provider: Any, services: Any) -> None:
    chain = [{"model": "llama", "base_url": f"{provider.url}/v1"}]
    services.write(retry_config={"max_retries": 0}, fallback=chain)
    provider.script("500")
    claude = Claude(api_key="test-key-no-secret", base_url=provider.url)
    assert claude.messages.create(**REQUEST).content[0].text == "local answer"


def test_a_run_shows_who_answered_what_was_tried_and_what_it_cost(
    provider: Any, services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGWATCH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LONGWATCH_RUN_ID", "01JBUNDLEDBUNDLEDBUNDLEDBB")
    monkeypatch.setenv("LONGWATCH_EPOCH", "1")
    (tmp_path / "run").mkdir()
    services.write(retry_config={"max_retries": 1, "base_delay_seconds": 0.01})
    provider.script("429", "429", "ok", "ok")
    with Agent():
        claude = claude_at(provider, Model("claude-haiku-4-5"))
        claude.messages.create(**REQUEST)
        claude.messages.create(**REQUEST)
    shown = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert shown["services"]["anthropic"]["calls"] == 2
    assert shown["services"]["anthropic"]["retries"] == 1
    assert shown["services"]["anthropic"]["failures"] == 1
    messages = [anomaly["message"] for anomaly in shown["anomalies"]]
    assert any("rate limited, backing off" in message for message in messages)
    assert any("answered by claude-haiku-4-5" in message for message in messages)
    # 12 in, 9 out, 3 read from and 5 written to the cache, once for each of the two prices.
    haiku = (12 * 1 + 9 * 5 + 3 * 0.1 + 5 * 1.25) / 1e6
    assert shown["usage"]["cost_usd"] == pytest.approx(haiku * 6)
    models = shown["usage"]["models"]
    assert models["claude-opus-4-5"]["cost_usd"] == pytest.approx(haiku * 5)
    assert models["claude-haiku-4-5"]["cache_write_tokens"] == 5
