"""Who answers when Claude does not: another model, an OpenAI-compatible endpoint, a function.

The chain is walked anew for each call and begins with the primary, so health returns by itself:
once the primary's breaker lets a probe through, that call goes there.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

from supervisor.calls import reporting
from supervisor.calls.faults import CallError, SettingsError
from supervisor.calls.policy import Calls, Terms
from supervisor.calls.reporting import Used
from supervisor.calls.streaming import read_message
from supervisor.core.call_faults import FaultKind

if TYPE_CHECKING:
    from supervisor.calls.claude import AsyncClaude
    from supervisor.calls.service import Service

ANOTHER_MAY_ANSWER = frozenset({FaultKind.CREDIT})
"""Permanent for the primary, but not for somebody else; retryable kinds come in addition."""


class Answerer(Protocol):
    """One link of a chain."""

    @property
    def name(self) -> str:
        """For people: who answers."""

    def unfit(self, request: Mapping[str, Any]) -> str | None:
        """Why it cannot answer this request, or None."""

    async def answer(self, of: Service, request: dict[str, Any], claude: AsyncClaude) -> Any:
        """A message. Raises CallError."""


class Model:
    """Another model of the same provider, with a breaker of its own: overload is often of one."""

    def __init__(self, model: str) -> None:
        self.name = model

    def unfit(self, request: Mapping[str, Any]) -> str | None:
        """Only the same model again makes no sense."""
        return "is the model that was asked" if request.get("model") == self.name else None

    async def answer(self, of: Service, request: dict[str, Any], claude: AsyncClaude) -> Any:
        """The same request to this model."""
        settings = replace(of.settings, name=f"{of.name}:{self.name}")
        calls = Calls(settings, of.calls.shared)
        opened = partial(claude.client.messages.stream, **{**request, "model": self.name})
        message = await calls.run_async(
            lambda: read_message(opened, settings.times), Terms(waits_when_open=False)
        )
        from supervisor.calls.claude import used_by

        reporting.used(used_by(message))
        return message


class OpenAICompatible:
    """Any endpoint that speaks Chat Completions: GPT, or a local server. Answers as a Message."""

    def __init__(
        self, model: str, *, base_url: str | None = None, api_key_env: str = "OPENAI_API_KEY"
    ) -> None:
        self.model = model
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.name = f"{model} at {base_url}" if base_url else model
        self._client: Any = None

    def unfit(self, request: Mapping[str, Any]) -> str | None:
        """What of the request has no counterpart there."""
        from supervisor.calls.chat import untranslatable

        return untranslatable(request)

    async def answer(self, of: Service, request: dict[str, Any], claude: AsyncClaude) -> Any:  # noqa: ARG002
        """The request translated, the answer translated back."""
        from supervisor.calls.chat import ChatStream, chat_request

        settings = replace(of.settings, name=f"{of.name}:{self.model}")
        calls = Calls(settings, of.calls.shared)
        client = self._opened(settings.times.connect, settings.times.response)
        arguments = chat_request(request, self.model)

        def opened() -> ChatStream:
            return ChatStream(lambda: client.chat.completions.create(**arguments), self.model)

        message = await calls.run_async(
            lambda: read_message(opened, settings.times), Terms(waits_when_open=False)
        )
        usage = message.usage
        reporting.used(Used(self.model, usage.input_tokens, usage.output_tokens))
        return message

    def _opened(self, connect_s: float, response_s: float) -> Any:
        if self._client is None:
            import openai

            # A local server wants no key, the SDK wants some text.
            key = os.environ.get(self.api_key_env) or ("none" if self.base_url else None)
            self._client = openai.AsyncOpenAI(
                api_key=key,
                base_url=self.base_url,
                max_retries=0,
                timeout=openai.Timeout(response_s, connect=connect_s),
            )
        return self._client


class Ask:
    """A function of the agent's own as the last resort: the request in, any answer out."""

    def __init__(self, fn: Callable[[dict[str, Any]], Any], name: str = "") -> None:
        self._fn = fn
        self.name = name or getattr(fn, "__name__", "a function")

    def unfit(self, request: Mapping[str, Any]) -> str | None:  # noqa: ARG002
        """Never known before."""
        return None

    async def answer(self, of: Service, request: dict[str, Any], claude: AsyncClaude) -> Any:  # noqa: ARG002
        """What the function returns; what it raises goes to the caller."""
        result = self._fn(request)
        return await result if isawaitable(result) else result


def make_chain(tables: Sequence[Mapping[str, str]]) -> list[Answerer]:
    """The chain that ``fallback`` of config.toml describes."""
    chain: list[Answerer] = []
    for table in tables:
        if "model" not in table:
            raise SettingsError(f"fallback {dict(table)}: expected a model in each")
        if {"base_url", "api_key_env"} & set(table):
            chain.append(
                OpenAICompatible(
                    table["model"],
                    base_url=table.get("base_url"),
                    api_key_env=table.get("api_key_env", "OPENAI_API_KEY"),
                )
            )
        else:
            chain.append(Model(table["model"]))
    return chain


async def answer_from_chain(
    of: Service,
    primary: Callable[[], Awaitable[Any]],
    chain: Sequence[Answerer],
    request: dict[str, Any],
    claude: AsyncClaude,
) -> Any:
    """The primary's answer, or that of the first link that has one. Raises the primary's error."""
    try:
        return await primary()
    except CallError as error:
        if not chain or not (error.retryable or error.kind in ANOTHER_MAY_ANSWER):
            raise
        for link in chain:
            if reason := link.unfit(request):
                error.add_note(f"{link.name}: {reason}")
                continue
            try:
                answer = await link.answer(of, request, claude)
            except CallError as another:
                error.add_note(str(another))
                continue
            reporting.fell_back(of.name, link.name, str(error.kind))
            return answer
        raise
