"""One run with everything its page shows: stages, attempts, steps, checkpoints, anomalies, use."""

from __future__ import annotations

from typing import Any

from tui_world import BASE_WALL, World, moment
from tui_worlds import busy_world

from supervisor.core import events as e
from supervisor.core.mute import Mute
from supervisor.core.mute_events import AnomalyMuted
from supervisor.core.progress import ModelUse, ServiceUse, Stage, Step, Usage
from supervisor.core.run import Exit, ExitKind

RUN = "01KJQZ7C3B0000000000009DKT"
STAGES = ("collect", "read", "compare", "write", "review")
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "agents/survey.py", line 88, in compare',
    "    table = merge(left, right)",
    "ValueError: 3 columns expected, 2 found in page 17",
)


def survey_world() -> World:
    """The busy morning, and a survey in its third attempt, opened first."""
    world = busy_world()
    run = world.start("9DKT", "a-survey", -5400, timeout_s=4 * 3600.0)
    assert run == RUN
    _first_attempt(world, run)
    _second_attempt(world, run)
    _third_attempt(world, run)
    world.samples[run] = {"cpu_percent": 41.0, "rss_bytes": 412_000_000, "processes": 3}
    world.logs[run, "out"] = _log()
    world.answers["journal"] = journal
    world.answers["checkpoints"] = checkpoints
    return world


def _report(world: World, at: float, stage: int, done: int, total: int, **more: Any) -> None:
    world.progress(
        RUN,
        at,
        stage=Stage(STAGES[stage], stage + 1, len(STAGES)),
        stages=STAGES,
        step=Step("pages", done, total, "pages"),
        **more,
    )


def _first_attempt(world: World, run: str) -> None:
    _report(world, -5390, 0, 0, 40)
    _report(world, -4900, 1, 0, 40)
    world.checkpoint(run, 1, -4600)
    world.crash(run, -4300, "killed by SIGKILL")
    world.back_off(run, -4300, 4.0, 1, "killed by SIGKILL")


def _second_attempt(world: World, run: str) -> None:
    world.again(run, -4296)
    world.flag(run, -4295, "resumed", "went on from checkpoint 1", "info")
    _report(world, -4290, 1, 11, 40)
    world.checkpoint(run, 2, -3000)
    message = "41 of 60 calls to web were tried again within 10 min; its last answer was 503"
    world.flag(run, -2900, "retry-spike", message, "warning")
    end = Exit(ExitKind.CRASH, "exit status 1", 1, at=moment(-2400).wall, output=TRACEBACK)
    world.happen(run, e.AttemptExited(world.runs[run].epoch, end), -2400)
    world.back_off(run, -2400, 8.0, 2, "exit status 1")


def _third_attempt(world: World, run: str) -> None:
    world.again(run, -2392)
    _report(world, -2390, 1, 30, 40)
    world.checkpoint(run, 3, -1500)
    world.flag(run, -1200, "cold-cache", "no page was in the cache", "info")
    world.happen(run, AnomalyMuted(Mute("cold-cache", "kim", BASE_WALL - 1100)), -1100)
    world.flag(run, -700, "slower-than-before", "6 pages/min, half of its last five runs", "error")
    models = {
        "claude-large": ModelUse(812_000, 96_400, 1_900_000, 240_000, 11.42),
        "claude-small": ModelUse(2_140_000, 310_000, 0, 0, 3.08),
    }
    services = {"anthropic": ServiceUse(418, 3, 0, "closed"), "web": ServiceUse(910, 62, 4, "open")}
    usage = Usage(2_952_000, 406_400, 1_900_000, 14.5, "claude-large", 240_000, models)
    _report(world, -900, 2, 0, 60, usage=usage, services=services)
    world.checkpoint(run, 4, -30)
    _report(world, -8, 2, 22, 60, usage=usage, services=services)


def _log() -> bytes:
    lines = [f"13:{40 + n // 6:02}:{n % 6 * 10:02} compared page {n:03}" for n in range(110)]
    lines[70] = "13:51:40 \x1b[31mERROR\x1b[0m page 070 cannot be read: timeout after 30 s"
    return ("\n".join(lines) + "\n").encode()


def _step(
    number: int, state: str, name: str, at: float, preview: str, **more: Any
) -> dict[str, Any]:
    made = {"number": number, "offset": 0, "state": state, "scope": "", "name": name}
    known = {"occurrence": 0, "args": "ab" * 32, "epoch": 3, "at": BASE_WALL + at}
    took = {"took_s": 0.4 * number if state == "done" else None}
    return {**made, **known, **took, "preview": preview, "retryable": None, **more}


LARGE = '391002 bytes in results/4f1c.json: "The second half'
STEPS = [
    _step(1, "done", "fetch_index", -5395, '{"pages": 40}', epoch=1),
    _step(2, "done", "read", -4896, '{"title": "Annual report", "words": 5120}', scope="read[0]"),
    _step(3, "open", "read", -4300, "TimeoutError: no answer within 30 s", scope="read[11]"),
    _step(4, "done", "read", -4280, '"in three words"', scope="read[11]", epoch=2),
    _step(5, "done", "summarise", -3000, LARGE, epoch=2),
    _step(6, "failed", "publish_draft", -2990, "PermissionError: /srv/share is read-only", epoch=2),
    _step(7, "value", "sleep()", -2500, "1772457500.0", epoch=2),
    _step(8, "outdated", "read", -2410, '"words"', scope="read[29]", epoch=2),
    _step(9, "done", "compare", -60, '{"page": 21, "differs": ' + "[1, 2, 3], " * 30 + "}"),
    _step(10, "done", "compare", -20, '{"page": 22, "differs": []}', occurrence=1),
]


def journal(params: Any) -> dict[str, Any]:
    """As the engine answers it."""
    shown = STEPS if params["run"] == RUN else []
    return {"id": params["run"], "agent": "a-survey", "status": "running", "total": 214 if shown
            else 0, "lines": shown[-params.get("last", 5000) :]}  # fmt: skip


def checkpoints(params: Any) -> dict[str, Any]:
    """The kept generations; the oldest copy is damaged."""
    copies = {2: "damaged", 3: "good", 4: "good"}
    found = [
        {"generation": n, "sha256": f"{n:064x}", "size_bytes": 1, "epoch": 1, "sequence": n,
         "at": 0.0, "copy": how}
        for n, how in copies.items()
    ]  # fmt: skip
    aside = [{"path": "/srv/research/.longwatch/records/x/set-aside/checkpoint-3.json",
              "size_bytes": 18_000, "at": BASE_WALL}]  # fmt: skip
    return {"id": params["run"], "agent": "a-survey", "status": "running", "generations": found,
            "set_aside": aside}  # fmt: skip
