"""The worlds that tests and pictures share: a busy morning, and a hostile agent."""

from __future__ import annotations

from typing import Any

from tui_world import BASE_WALL, World, moment

from supervisor.core import events as e
from supervisor.core.progress import ServiceUse, Stage, Step, Usage
from supervisor.core.run import Answer, Exit, ExitKind, RunState

STAGES = ("fetch", "extract", "compare", "report")


def busy_world() -> World:
    """A morning of nine agents: most work, one asks, one retries, one gave up."""
    world = World()
    audit = world.start("7F3K", "license-audit", -1460)
    world.checkpoint(audit, 11, -620)
    world.crash(audit, -600, "killed by SIGKILL")
    world.back_off(audit, -600, 2.1, 1, "killed by SIGKILL")
    world.again(audit, -597)
    world.flag(audit, -596, "resumed", "went on from checkpoint 11", "info")
    world.progress(
        audit,
        -595,
        stage=Stage("extract", 2, 4),
        stages=STAGES,
        step=Step("documents", 12, 100, "documents"),
    )
    world.checkpoint(audit, 12, -40)
    world.progress(
        audit,
        -12,
        stage=Stage("extract", 2, 4),
        stages=STAGES,
        step=Step("documents", 47, 100, "documents"),
        usage=Usage(182_400, 21_300, 90_000, 1.84, "claude"),
        services={"anthropic": ServiceUse(96, 3, 0, "closed")},
    )
    world.samples[audit] = {"cpu_percent": 12.0, "rss_bytes": 148_000_000, "processes": 2}
    world.logs[audit, "out"] = "".join(
        f"13:59:{n:02} extracted terms of contract-{n + 4:03}.pdf ({n % 7 + 2} clauses)\n"
        for n in range(20, 48)
    ).encode()

    publish = world.start("Q81M", "contract-review", -3100)
    world.progress(
        publish,
        -300,
        stage=Stage("publish", 3, 3),
        stages=("read", "review", "publish"),
        step=Step("reports", 18, 20, "reports"),
        usage=Usage(912_000, 88_000, 0, 7.31, "claude"),
    )
    world.ask(
        publish,
        -240,
        kind="approve",
        title="Publish the reviewed report to the client share?",
        sha256="3fa91c0d77e2" + "5a" * 26,
        action={
            "argv": ["rsync", "-a", "--delete", "out/report 2026/", "share:/clients/acme/"],
            "cwd": "/srv/research",
            "env": {"RSYNC_RSH": "ssh -p 2222"},
        },
        explanation="All 20 reports passed the second reading. The share still holds the draft "
        "of last week; --delete removes it.",
        expires_at=BASE_WALL + 1560,
        on_timeout="deny",
    )
    world.happen(publish, e.WaitBegan("asks Q81M-1"), -240)
    world.checkpoint(publish, 31, -236)
    world.logs[publish, "out"] = b"13:55:51 reviewed report 18\n13:56:00 asking before publish\n"

    crawl = world.start("M2XD", "crawler", -900)
    world.progress(
        crawl,
        -80,
        stage=Stage("crawl", 1, 2),
        stages=("crawl", "index"),
        step=Step("pages", 3120, 4000, "pages"),
        services={"web": ServiceUse(3204, 41, 2, "open")},
    )
    world.crash(crawl, -18, "exit status 75 (try again later)")
    world.back_off(crawl, -18, 30.0, 3, "exit status 75 (try again later)")
    world.flag(crawl, -18, "retry-spike", "41 retries of web in 10 min", "warning")

    nightly = world.start("B44T", "nightly-digest", -5400)
    world.progress(nightly, -3700, stage=Stage("send", 3, 3), stages=("collect", "write", "send"))
    end = Exit(ExitKind.DONE, "exit status 0", 0, at=moment(-3600).wall)
    world.happen(nightly, e.AttemptExited(1, end), -3600)
    world.happen(nightly, e.RunSucceeded("exit status 0"), -3600)

    embed = world.start("Z09C", "embeddings", -2700, timeout_s=None)
    world.progress(embed, -2690, step=Step("chunks", 0, 12_000, "chunks"))
    world.progress(embed, -1, step=Step("chunks", 9_384, 12_000, "chunks"))
    world.samples[embed] = {"cpu_percent": 97.0, "rss_bytes": 1_310_000_000, "processes": 5}

    triage = world.start("K5WP", "issue-triage", -480)
    world.progress(
        triage, -20, stage=Stage("label", 1, 2), stages=("label", "reply"),
        step=Step("issues", 212, None, "issues"),
    )  # fmt: skip

    broken = world.start("D7RA", "price-watch", -400)
    for n in range(4):
        world.crash(broken, -390 + n * 20, "exit status 1")
        if n < 3:
            world.back_off(broken, -390 + n * 20, 4, n + 1, "exit status 1")
            world.again(broken, -386 + n * 20)
    world.happen(broken, e.RunHeld("4 crashes in 60 s at the same checkpoint"), -330)
    world.flag(broken, -330, "crash-loop", "4 crashes in 60 s at the same checkpoint", "error")

    failed = world.start("H3NE", "import-ledger", -4000)
    world.progress(failed, -3990, step=Step("rows", 210, 90_000, "rows"))
    end = Exit(ExitKind.PERMANENT, "exit status 65 (bad input data)", 65, at=moment(-3980).wall)
    world.happen(failed, e.AttemptExited(1, end), -3980)
    world.happen(failed, e.RunFailed("exit status 65 (bad input data); permanent"), -3980)

    world.agent("weekly-cleanup", autostart=False)
    return world


def asking_world() -> World:
    """Six agents wait: for a push, a cleanup, a look, a choice, a text and a form."""
    world = World()

    def ask(tail: str, name: str, since_s: float, **fields: Any) -> None:
        run_id = world.start(tail, name, since_s - 300)
        world.ask(run_id, since_s, **fields)
        world.happen(run_id, e.WaitBegan(f"asks {tail}-1"), since_s)

    ask("7F3K", "release-notes", -340, kind="approve", title="Push the tag v2.1 to origin?",
        action={"argv": ["git", "push", "origin", "v2.1"], "cwd": "/srv/notes"},
        explanation="All 214 tests passed. The tag is signed.")  # fmt: skip
    ask("2Q8M", "refactor-auth", -95, kind="approve", title="Replace the check of the token?",
        action={"tool": "edit", "path": "auth/token.py",
                "old_string": "def is_valid(token):\n    if token.expired:\n        return False\n"
                              "    return token.sig == sign(token)",
                "new_string": "def is_valid(token):\n    if token.expired_at(now()):\n"
                              "        return False\n"
                              "    return compare_digest(token.sig, sign(token))"})  # fmt: skip
    ask("9C1T", "weekly-cleanup", -2400, kind="approve", title="Delete 38 stale branches?",
        action={"argv": ["./prune.sh", "--older", "90d"]}, default=False)  # fmt: skip
    ask("4HZ2", "license-audit", -3900, kind="approve", title="Read the lock file?",
        action={"argv": ["cat", "uv.lock"]})  # fmt: skip
    ask("5WRB", "market-research", -12, kind="choose", title="Which market first?",
        options=("Germany", "Japan", "Brazil"), default="Japan")  # fmt: skip
    ask(
        "8LPE",
        "support-replies",
        -610,
        kind="edit",
        title="Reply to ticket 4711",
        action={"text": "Dear Ms Ito,\n\nthank you for waiting. The refund is on its way."},
    )
    return world


def answered(run: RunState, request_id: str, by: str = "cli") -> e.RequestAnswered:
    """Somebody else answers."""
    found = next(item for item in run.requests if item.id == request_id)
    return e.RequestAnswered(request_id, Answer(by, BASE_WALL, found.sha256, allow=True))


EVIL = (
    "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[31mred\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\click"
    "\x1b]8;;\x1b\\\x9b31m\x90q\x9c\x7f\x00\x08 [@click=app.quit]Approve[/] [/ [b]x \u202eesrever"
    "\u200b\u2066 \U000e0041 \udc80 e" + "\u0301" * 60
)
"""Every trick at once: clipboard, colours, clearing, titles, links, C1, markup, bidi, tags."""


def hostile_world() -> World:
    """An agent that writes ``EVIL`` wherever it can."""
    world = World()
    run_id = world.start("7F3K", "evil-agent", -300, cwd=f"/srv/{EVIL}")
    world.progress(
        run_id,
        -200,
        stage=Stage(EVIL, 1, 2),
        stages=(EVIL, "next"),
        step=Step(EVIL, 4, 10, EVIL),
        usage=Usage(1, 1, 0, 0.1, EVIL),
        services={EVIL: ServiceUse(3, 1, 0, EVIL)},
    )
    world.flag(run_id, -150, EVIL, EVIL, "warning")
    world.happen(run_id, e.ProgressRejected(EVIL), -140)
    world.ask(
        run_id,
        -100,
        kind="approve",
        title=EVIL,
        action={"argv": ["echo", EVIL], EVIL: {"deep": [EVIL]}, "payload": f"a\n{EVIL}\nb"},
        explanation=EVIL,
    )
    world.ask(run_id, -90, kind="choose", title=EVIL, options=(EVIL, "other"), default=EVIL)
    world.ask(run_id, -80, kind="text", title=EVIL, default=EVIL)
    world.ask(run_id, -70, kind="edit", title=EVIL, default=EVIL)
    world.happen(run_id, e.WaitBegan(EVIL), -60)
    broken = world.start("K5WP", "broken", -250)
    world.happen(broken, e.AttemptExited(1, Exit(ExitKind.PERMANENT, EVIL, 65)), -240)
    world.happen(broken, e.RunFailed(EVIL), -240)
    world.agent("never-run", command=("python", EVIL))
    world.happen("", e.ConfigRejected((EVIL,)), -30)
    for stream in ("out", "err"):
        world.logs[run_id, stream] = (EVIL + "\n").encode("utf-8", "replace") * 40
    return world
