"""A provider on loopback that speaks the Messages API with streaming, and misbehaves as told.

``python loopback_provider.py`` prints its port and serves until its standard input ends. Each
request to ``/v1/messages`` takes the next step of the script (``POST /script``, a JSON list), or
does what ``POST /always`` said; ``GET /log`` tells when which request came and what it got.
Steps: ``ok``, ``slow:GAP``, ``429``, ``429:SECONDS`` (retry-after), ``429-reset:SECONDS``
(rate-limit headers), ``529``, ``500``, ``503``, ``401``, ``400-context``, ``400-credit``, ``400``,
``reset`` (mid-stream), ``stall-first``, ``stall-gap``, ``pings``, ``truncated``,
``say:TEXT`` (that answer), ``overloaded-in-stream``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

WORDS = ["The ", "answer ", "is ", "42."]
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
ERRORS = {
    "401": (401, "authentication_error", "invalid x-api-key"),
    "403": (403, "permission_error", "not allowed"),
    "404": (404, "not_found_error", "model: claude-none"),
    "413": (413, "request_too_large", "Request exceeds the maximum size"),
    "400": (400, "invalid_request_error", "max_tokens: field required"),
    "400-context": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
    "400-credit": (400, "invalid_request_error", "Your credit balance is too low"),
    "400-policy": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "408": (408, "timeout_error", "Request timed out"),
    "429": (429, "rate_limit_error", "Number of requests has exceeded your rate limit"),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Unavailable"),
    "529": (529, "overloaded_error", "Overloaded"),
}


class Provider:
    """Its script and what came in."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.always = "ok"
        self.log: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, any number of requests."""
        try:
            while head := await _head(reader):
                method, path, headers = head
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._handle(method, path, headers, body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, writer: Any
    ) -> None:
        if path == "/log":
            return await _reply(writer, 200, self.log)
        if path in ("/script", "/always"):
            setattr(self, path[1:], json.loads(body))
            return await _reply(writer, 200, {})
        if path == "/forget":
            self.log.clear()
            return await _reply(writer, 200, {})
        request = json.loads(body or b"{}")
        step = self.script.pop(0) if self.script else self.always
        self.log.append(
            {
                "at": time.time(),
                "path": path,
                "step": step,
                "model": request.get("model"),
                "who": headers.get("x-who", ""),
                "request": request,
            }
        )
        if path.startswith("/v1/messages/batches"):
            return await _reply(writer, 200, BATCH) if step == "ok" else await _fail(writer, step)
        if path == "/v1/messages/count_tokens":
            return await _reply(writer, 200, {"input_tokens": 7})
        if path == "/v1/chat/completions":
            return await _chat(writer, step, request)
        if path.startswith("/v1/messages"):
            return await _message(writer, step, request)
        if step == "ok":
            return await _reply(writer, 200, {"path": path, "method": method})
        return await _fail(writer, step)


BATCH = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress",
    "request_counts": {
        "processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0,
    },
    "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
    "ended_at": None, "archived_at": None, "cancel_initiated_at": None, "results_url": None,
}  # fmt: skip


async def _head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
    line = await reader.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return method, path.partition("?")[0], headers


async def _reply(writer: Any, status: int, body: Any, **headers: str) -> None:
    data = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += ["content-type: application/json", f"content-length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    await writer.drain()


async def _fail(writer: Any, step: str) -> None:
    name, _, argument = step.partition(":")
    headers = {}
    if name == "429-reset":
        reset = datetime.now(UTC) + timedelta(seconds=float(argument))
        headers = {
            "anthropic_ratelimit_requests_remaining": "0",
            "anthropic_ratelimit_requests_reset": reset.isoformat(),
        }
        name = "429"
    elif argument:
        headers = {"retry_after": argument}
    status, kind, message = ERRORS[name]
    await _reply(
        writer, status, {"type": "error", "error": {"type": kind, "message": message}}, **headers
    )


async def _message(writer: Any, step: str, request: dict[str, Any]) -> None:
    name, _, argument = step.partition(":")
    if name in ERRORS or name == "429-reset":
        return await _fail(writer, step)
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    usage = {"input_tokens": 12, "output_tokens": 1, "cache_read_input_tokens": 3,
             "cache_creation_input_tokens": 5}  # fmt: skip
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": request["model"],
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    await _event(writer, {"type": "message_start", "message": message})
    if name == "overloaded-in-stream":
        error = {"type": "overloaded_error", "message": "Overloaded"}
        await _event(writer, {"type": "error", "error": error})
        return await _end(writer)
    if name in ("stall-first", "pings"):
        while True:  # until the client goes away
            await asyncio.sleep(0.05)
            if name == "pings":
                await _event(writer, {"type": "ping"})
            elif writer.transport.is_closing():
                raise ConnectionResetError
    if tools := request.get("tools"):
        await _tool_use(writer, tools[0]["name"])
        stop = "tool_use"
    else:
        if await _words(writer, name, argument):
            return None
        stop = "end_turn"
    delta = {"stop_reason": stop, "stop_sequence": None}
    await _event(writer, {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}})
    await _event(writer, {"type": "message_stop"})
    return await _end(writer)


async def _words(writer: Any, name: str, argument: str) -> bool:
    """The text; whether the answer ends here."""
    block = {"type": "text", "text": ""}
    await _event(writer, {"type": "content_block_start", "index": 0, "content_block": block})
    words = [argument] if name == "say" else WORDS
    for number, word in enumerate(words):
        if name == "slow":
            await asyncio.sleep(float(argument))
        if number == 2 and name == "reset":
            writer.transport.abort()
            return True
        if number == 2 and name == "truncated":
            await _end(writer)
            return True
        if number == 2 and name == "stall-gap":
            while not writer.transport.is_closing():
                await asyncio.sleep(0.05)
            raise ConnectionResetError
        delta = {"type": "text_delta", "text": word}
        await _event(writer, {"type": "content_block_delta", "index": 0, "delta": delta})
    await _event(writer, {"type": "content_block_stop", "index": 0})
    return False


async def _tool_use(writer: Any, name: str) -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    await _event(writer, {"type": "content_block_start", "index": 0, "content_block": block})
    for part in ('{"city": ', '"Bremen"}'):
        delta = {"type": "input_json_delta", "partial_json": part}
        await _event(writer, {"type": "content_block_delta", "index": 0, "delta": delta})
    await _event(writer, {"type": "content_block_stop", "index": 0})


async def _chat(writer: Any, step: str, request: dict[str, Any]) -> None:
    if step in ERRORS:
        return await _fail(writer, step)
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    base = {"id": "chat_1", "object": "chat.completion.chunk", "created": 1}
    base["model"] = request["model"]
    pieces: list[dict[str, Any]] = [{"content": "local "}, {"content": "answer"}]
    if tools := request.get("tools"):
        function = {"name": tools[0]["function"]["name"], "arguments": '{"city": "Bremen"}'}
        pieces = [{"tool_calls": [{"index": 0, "id": "call_1", "function": function}]}]
    for delta in pieces:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        await _chunk(writer, f"data: {json.dumps({**base, 'choices': [choice]})}\n\n")
    reason = "tool_calls" if request.get("tools") else "stop"
    last = {"index": 0, "delta": {}, "finish_reason": reason}
    await _chunk(writer, f"data: {json.dumps({**base, 'choices': [last]})}\n\n")
    usage = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    await _chunk(writer, f"data: {json.dumps({**base, 'choices': [], 'usage': usage})}\n\n")
    await _chunk(writer, "data: [DONE]\n\n")
    return await _end(writer)


async def _event(writer: Any, data: dict[str, Any]) -> None:
    await _chunk(writer, f"event: {data['type']}\ndata: {json.dumps(data)}\n\n")


async def _chunk(writer: Any, text: str) -> None:
    data = text.encode()
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()


async def _end(writer: Any) -> None:
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def main() -> None:
    """Serve until standard input ends: whoever started it is gone."""
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
