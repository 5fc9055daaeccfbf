"""Calls to Claude through the real SDK, over real sockets, to a provider that misbehaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from supervisor.calls import AsyncClaude, CallError, Claude, FaultKind

REQUEST: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "What is the answer?"}],
}


@pytest.fixture
def claude(provider: Any, services: Any) -> Iterator[Claude]:
    made = Claude(api_key="test-key-no-secret", base_url=provider.url)
    yield made
    made.close()


def test_a_message_is_what_the_sdk_returns(claude: Claude, provider: Any) -> None:
    import anthropic

    message = claude.messages.create(**REQUEST)
    assert isinstance(message, anthropic.types.Message)
    assert message.content[0].text == "The answer is 42."
    assert message.usage.output_tokens == 9 and message.stop_reason == "end_turn"
    assert provider.log()[0]["request"]["stream"] is True


def test_tools_and_caching_pass_through_untouched(claude: Claude, provider: Any) -> None:
    cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    tool = {"name": "weather", "description": "d", "input_schema": {"type": "object"}}
    message = claude.messages.create(**REQUEST, system=[cached], tools=[tool])
    sent = provider.log()[0]["request"]
    assert sent["system"] == [cached] and sent["tools"] == [tool]
    assert message.stop_reason == "tool_use"
    assert message.content[0].name == "weather" and message.content[0].input == {"city": "Bremen"}


def test_batches_and_counting_go_through_the_policy(claude: Claude, provider: Any) -> None:
    provider.script("529", "ok")
    batch = claude.messages.batches.create(requests=[])
    assert batch.id == "msgbatch_1"
    assert provider.steps() == ["529", "ok"]
    counted = claude.messages.count_tokens(model="m", messages=REQUEST["messages"])
    assert counted.input_tokens == 7


@pytest.mark.parametrize(
    "step",
    ["429", "429:0.05", "429-reset:0.2", "529", "500", "503", "408", "reset", "stall-first",
     "stall-gap", "pings", "truncated", "overloaded-in-stream"],
)  # fmt: skip
def test_what_passes_is_tried_again_and_answered(claude: Claude, provider: Any, step: str) -> None:
    provider.script(step, "ok")
    assert claude.messages.create(**REQUEST).content[0].text == "The answer is 42."
    assert provider.steps() == [step, "ok"]


@pytest.mark.parametrize(
    ("step", "kind", "status"),
    [
        ("401", FaultKind.AUTHENTICATION, 77),
        ("403", FaultKind.PERMISSION, 77),
        ("404", FaultKind.NOT_FOUND, 78),
        ("413", FaultKind.TOO_LARGE, 65),
        ("400", FaultKind.BAD_REQUEST, 65),
        ("400-context", FaultKind.CONTEXT_OVERFLOW, 65),
        ("400-credit", FaultKind.CREDIT, 69),
        ("400-policy", FaultKind.CONTENT_POLICY, 65),
    ],
)
def test_what_stays_is_named_and_not_tried_again(
    claude: Claude, provider: Any, step: str, kind: FaultKind, status: int
) -> None:
    provider.always(step)
    with pytest.raises(CallError) as caught:
        claude.messages.create(**REQUEST)
    assert caught.value.kind is kind and not caught.value.retryable
    assert caught.value.exit_status == status
    assert len(provider.steps()) == 1
    assert kind in str(caught.value)


def test_a_slow_but_healthy_stream_is_never_cut(claude: Claude, provider: Any) -> None:
    provider.script("slow:0.3")  # four gaps under the limit of 0.4 s, over it together
    begun = time.monotonic()
    assert claude.messages.create(**REQUEST).content[0].text == "The answer is 42."
    assert time.monotonic() - begun > 1.1
    assert provider.steps() == ["slow:0.3"]


def test_retries_end_after_max_retries(claude: Claude, provider: Any) -> None:
    provider.always("500")
    with pytest.raises(CallError) as caught:
        claude.messages.create(**REQUEST)
    assert caught.value.kind is FaultKind.SERVER_ERROR and caught.value.retryable
    assert len(provider.steps()) == 6  # the first and max_retries = 5


def test_retry_after_is_waited_for_by_every_caller(claude: Claude, provider: Any) -> None:
    provider.script("429:0.6", "ok", "ok")
    begun = time.monotonic()
    claude.messages.create(**REQUEST)
    assert time.monotonic() - begun >= 0.6


async def test_an_event_loop_has_the_same_calls(provider: Any, services: Any) -> None:
    claude = AsyncClaude(api_key="test-key-no-secret", base_url=provider.url)
    provider.script("529", "ok")
    pieces: list[str] = []
    message = await claude.messages.create(
        **REQUEST, on_event=lambda event: pieces.append(event.type)
    )
    await claude.close()
    assert message.content[0].text == "The answer is 42."
    assert pieces.count("text") == 4 and pieces[-1] == "message_stop"


def test_structured_output_comes_back_as_the_model_it_was_asked_for(
    claude: Claude, provider: Any
) -> None:
    class Weather(BaseModel):
        city: str
        degrees: int

    provider.script("529", 'say:{"city": "Bremen", "degrees": 7}')
    message = claude.messages.parse(**REQUEST, output_format=Weather)
    assert message.parsed_output == Weather(city="Bremen", degrees=7)
    assert provider.log()[0]["request"]["output_config"]["format"]["type"] == "json_schema"


def test_a_call_can_be_put_off_while_the_service_is_down(provider: Any, services: Any) -> None:
    services.write(minimum_calls=1, retry_config={"max_retries": 0}, cool_down_seconds=0.4)
    made = Claude(api_key="test-key-no-secret", base_url=provider.url)
    provider.script("529", "ok")
    with pytest.raises(CallError):
        made.messages.create(**REQUEST)
    assert not made.service.available()
    later = made.service.defer(made.messages.create, **REQUEST)
    assert provider.steps() == ["529"]  # nothing was sent; other work is done meanwhile
    assert later.result().content[0].text == "The answer is 42."
    assert later.result() is later.result() and len(provider.steps()) == 2
    made.close()
