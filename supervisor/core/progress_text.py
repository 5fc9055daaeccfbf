"""Progress as people say it: what is complete, what is being done, when it ends, whether it moves.

Pure text, cleaned.
"""

from __future__ import annotations

from supervisor.core.describe import duration, step_words
from supervisor.core.moment import Moment, seconds_between
from supervisor.core.progress import Progress
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.text import visible_text

UNMOVED_S = 600.0
"""A declared state that did not move for so long is doubted aloud: most steps that are declared
take less, and ``stall_timeout`` and the detectors have limits of their own."""


def progress_sentence(state: RunState) -> str:
    """``Research complete. Writing: 3 of 6 sections (50 %).``; empty when nothing was declared."""
    progress = state.progress
    if progress is None:
        return ""
    parts = []
    before = _stage_before(progress, state)
    if before:
        parts.append(f"{_capital(before)} complete.")
    name = progress.stage.name if progress.stage is not None else ""
    step = step_words(progress.step)
    share = _percent(progress)
    if step and share:
        step = f"{step} ({share})"
    doing = ": ".join(part for part in (_capital(visible_text(name, limit=60)), step) if part)
    if doing and state.status not in FINAL:
        parts.append(f"{doing}.")
    elif doing:
        parts.append(f"{doing}, when it ended.")
    return " ".join(parts)


def unmoved_words(state: RunState, now: Moment) -> str:
    """``says 60 %, but nothing has changed for 22 min``; empty while what it declares moves.

    Nothing at all, when the detector of stalls found that too; else it is only the progress.
    """
    if state.status is not Status.RUNNING or state.progress_at is None:
        return ""
    still_s = seconds_between(state.progress_at, now)
    if still_s < UNMOVED_S:
        return ""
    moved_wall = now.wall - still_s
    is_stalled = any(a.kind == "stalled" and a.at >= moved_wall for a in state.anomalies)
    what = "nothing has changed" if is_stalled else "no progress"
    share = _percent(state.progress) if state.progress is not None else ""
    said = f"says {share}, but " if share else ""
    return f"{said}{what} for {duration(still_s)}"


def _stage_before(progress: Progress, state: RunState) -> str:
    """The stage that ended last, by the declared order or else by what was seen."""
    if progress.stage is None:
        return ""
    name = progress.stage.name
    if name in progress.stages:
        place = progress.stages.index(name)
        return visible_text(progress.stages[place - 1], limit=60) if place else ""
    left = [known.name for known in state.stage_times if known.since is None and known.name != name]
    return visible_text(left[-1], limit=60) if left else ""


def _percent(progress: Progress) -> str:
    step = progress.step
    if step is None or step.completed is None or not step.total or step.completed > step.total:
        return ""
    return f"{100 * step.completed / step.total:.0f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
