"""A world in which everything is written in wide, joined, combining or right-to-left characters."""

from __future__ import annotations

from tui_history import History
from tui_places import metrics_answer
from tui_world import World, moment

from supervisor.core import events as e
from supervisor.core.progress import ServiceUse, Stage, Step, Usage
from supervisor.core.run import Exit, ExitKind

WIDE = (
    "翻訳と校正", "漢字仮名交じり文", "🚀🚀🚀 go", "👩‍👩‍👧‍👦 family", "🇩🇪🇯🇵 flags", "⚠️ careful",
    "e\u0301te\u0301",
    "한국어 작업", "ＦＵＬＬ", "مرحبا", "นำ้", "a漢b字c", "❤️‍🔥", "ﾊﾝｶｸ", "𠮷野家",
)  # fmt: skip
KEYCAPS = "1️⃣2️⃣"
"""A card that covers half of one of these leaves a mark alone, which no library draws well."""


def wide_world() -> World:
    """Sixteen runs, each with another kind of writing in every field."""
    world = World()
    world.answers["metrics"] = metrics_answer
    for number, text in enumerate(WIDE):
        run_id = world.start(f"{number:04X}", f"agent-{number}", -1500 + number)
        world.progress(
            run_id,
            -60 + number,
            stage=Stage(text, 1, 2),
            stages=(text, f"{text} {text}"),
            step=Step(text, 7 * number % 100, 100, text),
            usage=Usage(182_400, 21_300, 0, 1.84, text),
            services={text: ServiceUse(96, 3, 0, "closed")},
        )
        world.flag(run_id, -50 + number, text, f"{text} " * 6, "warning")
        world.logs[run_id, "out"] = (f"{text} {text * 9}\n" * 60).encode()
    asker = next(iter(world.runs))
    world.ask(
        asker,
        -40,
        kind="approve",
        title="翻訳を公開しますか？ 🚀 " * 3,
        action={"argv": ["公開", *WIDE], "cwd": "/srv/翻訳", "文": list(WIDE)},
        explanation="説明 " * 40 + "👩‍👩‍👧 ⚠️",
    )
    world.happen(asker, e.WaitBegan("質問"), -39)
    failed = world.start("FA11", "agent-失敗"[:6] + "failed", -900)
    world.happen(failed, e.AttemptExited(1, Exit(ExitKind.PERMANENT, "終了 🚫", 65)), -800)
    world.happen(failed, e.RunFailed("失敗：入力が不正です 🚫"), moment(-800).wall - moment().wall)
    world.answers["journal"] = {"total": len(WIDE), "lines": [
        {"number": number, "state": "done", "name": text, "scope": text, "preview": text * 30,
         "at": moment(-30).wall, "took_s": 1.0}
        for number, text in enumerate(WIDE, start=1)
    ]}  # fmt: skip
    History(world)
    return world
