"""Messages API ↔ Chat Completions, for fallbacks: text, images and tools; the rest is refused.

An answer comes back as ``anthropic.types.Message``, so an agent reads it as any other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace, TracebackType
from typing import Any

KNOWN = frozenset(
    {
        "model", "messages", "max_tokens", "system", "temperature", "top_p", "stop_sequences",
        "tools", "tool_choice", "metadata", "service_tier", "cache_control",
    }
)  # fmt: skip
"""Arguments that can be translated or left out without changing the meaning."""
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def untranslatable(request: Mapping[str, Any]) -> str | None:
    """What of ``request`` has no counterpart, or None."""
    if other := sorted(set(request) - KNOWN):
        return f"cannot take {', '.join(other)}"
    for message in request.get("messages", ()):
        for block in _blocks(message["content"]):
            if block.get("type") not in ("text", "image", "tool_use", "tool_result"):
                return f"cannot take a {block.get('type')} block"
    for tool in request.get("tools") or ():
        if "input_schema" not in tool:
            return f"cannot take the server tool {tool.get('name')}"
    return None


def chat_request(request: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The arguments of ``chat.completions.create``."""
    messages: list[dict[str, Any]] = []
    if system := request.get("system"):
        messages.append({"role": "system", "content": _text_of(system)})
    for message in request["messages"]:
        messages += _chat_messages(message["role"], _blocks(message["content"]))
    arguments: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": request.get("max_tokens"),
        "temperature": request.get("temperature"),
        "top_p": request.get("top_p"),
        "stop": request.get("stop_sequences"),
    }
    if tools := request.get("tools"):
        arguments["tools"] = [_chat_tool(tool) for tool in tools]
        arguments["tool_choice"] = _chat_choice(request.get("tool_choice"))
    return {key: value for key, value in arguments.items() if value is not None}


def _blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    # Blocks of an earlier answer are the SDK's models.
    return [dict(b) if isinstance(b, Mapping) else b.model_dump() for b in content]


def _text_of(content: Any) -> str:
    return "\n".join(str(block.get("text", "")) for block in _blocks(content))


def _chat_messages(role: str, blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    results = [
        {
            "role": "tool",
            "tool_call_id": block["tool_use_id"],
            "content": _text_of(block.get("content") or ""),
        }
        for block in blocks
        if block["type"] == "tool_result"
    ]
    parts = [part for block in blocks if (part := _chat_part(block))]
    said: dict[str, Any] = {"role": role}
    if parts:
        only_text = all(part["type"] == "text" for part in parts)
        said["content"] = "".join(part["text"] for part in parts) if only_text else parts
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    if calls:
        said["tool_calls"] = calls
    return [*results, said] if len(said) > 1 else results


def _chat_part(block: Mapping[str, Any]) -> dict[str, Any] | None:
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    if block["type"] == "image":
        source = block["source"]
        inline = f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": source.get("url") or inline}}
    return None


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _chat_choice(choice: Mapping[str, Any] | None) -> Any:
    if not choice:
        return None
    if choice["type"] == "tool":
        return {"type": "function", "function": {"name": choice["name"]}}
    return {"auto": "auto", "any": "required", "none": "none"}[choice["type"]]


class ChatStream:
    """A streamed chat completion with the face of the SDK's message stream."""

    def __init__(self, open_stream: Callable[[], Awaitable[Any]], model: str) -> None:
        self._open_stream = open_stream
        self._model = model
        self._stream: Any = None
        self._chunks: Any = None
        self._text: list[str] = []
        self._tools: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._usage: Any = None
        self._id = ""

    async def __aenter__(self) -> ChatStream:
        """Send the request."""
        self._stream = await self._open_stream()
        self._chunks = aiter(self._stream)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.close()

    def __aiter__(self) -> ChatStream:
        """Events with a ``type``; the last one is ``message_stop`` when the answer is whole."""
        return self

    async def __anext__(self) -> SimpleNamespace:
        """The next event."""
        chunk = await anext(self._chunks, None)
        if chunk is None:
            if self._finish is None or self._chunks is None:
                raise StopAsyncIteration
            self._chunks, done = _nothing(), self._finish
            self._finish, self._done = None, done
            return SimpleNamespace(type="message_stop")
        self._id = chunk.id or self._id
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            self._text.append(choice.delta.content or "")
            for call in choice.delta.tool_calls or ():
                self._add_tool(call)
            self._finish = choice.finish_reason or self._finish
        return SimpleNamespace(type="chunk", chunk=chunk)

    def _add_tool(self, call: Any) -> None:
        tool = self._tools.setdefault(call.index, {"id": "", "name": "", "arguments": ""})
        tool["id"] = call.id or tool["id"]
        tool["name"] += call.function.name or "" if call.function else ""
        tool["arguments"] += call.function.arguments or "" if call.function else ""

    async def get_final_message(self) -> Any:
        """The whole answer as ``anthropic.types.Message``."""
        from anthropic.types import Message

        content: list[dict[str, Any]] = []
        if text := "".join(self._text):
            content.append({"type": "text", "text": text})
        for tool in self._tools.values():
            given = json.loads(tool["arguments"] or "{}")
            content.append(
                {"type": "tool_use", "id": tool["id"], "name": tool["name"], "input": given}
            )
        return Message.model_validate(
            {
                "id": self._id or "msg_fallback",
                "type": "message",
                "role": "assistant",
                "model": self._model,
                "content": content,
                "stop_reason": STOP_REASONS.get(self._done, "end_turn"),
                "stop_sequence": None,
                "usage": {
                    "input_tokens": getattr(self._usage, "prompt_tokens", 0) or 0,
                    "output_tokens": getattr(self._usage, "completion_tokens", 0) or 0,
                },
            }
        )


async def _nothing() -> Any:
    return
    yield
