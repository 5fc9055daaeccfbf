"""Whether an answer fits its question, and the answer that a stated default makes.

Pure. ``core.asking`` decides when an answer counts; here is only what one has to look like.
"""

from __future__ import annotations

import json
from dataclasses import replace

from supervisor.core import always
from supervisor.core.edited import changes, is_json, json_problem
from supervisor.core.effects import Refusal
from supervisor.core.facts import AlwaysWish
from supervisor.core.form import check_values, form_fields
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Answer, Request, RunState

MAX_PROBLEMS = 60
"""Named in one refusal: every field once, and a few that do not exist."""
_SECONDS_A_DAY = 86400.0


def unfit(request: Request, answer: Answer) -> Refusal | None:
    """What is wrong with this kind of answer for this kind of request, and the fix."""
    if answer.allow is False:
        return None  # Every question can be denied.
    if request.kind == "approve" and answer.allow is None:
        return _refused(f"{request.id} asks for approval", "Answer with --allow or --deny")
    if request.kind == "choose" and answer.option not in request.options:
        known = ", ".join(request.options)
        return _refused(
            f"{answer.option!r} is no option of {request.id}", f"Choose one of: {known}"
        )
    if request.kind in ("text", "edit") and answer.text is None:
        return _refused(f"{request.id} asks for text", "Answer with --text or --edit FILE")
    if request.kind == "edit" and is_json(request.action):
        problem = json_problem(answer.text or "")
        if problem is not None:
            return _refused(f"{request.id} asks for JSON: {problem}", "Mend it and answer again")
    if request.kind == "form":
        return _unfit_form(request, answer)
    return None


def _unfit_form(request: Request, answer: Answer) -> Refusal | None:
    if answer.fields is None:
        return _refused(
            f"{request.id} asks for a form", "Answer with --field NAME=VALUE or --fields FILE"
        )
    _values, problems = check_values(form_fields(request.action), answer.fields)
    if not problems:
        return None
    count = len(problems)
    what = f"{request.id}: {count} field{'s do' if count > 1 else ' does'} not fit"
    lines = [str(problem) for problem in problems[:MAX_PROBLEMS]]
    lines += [f"and {count - MAX_PROBLEMS} more"] if count > MAX_PROBLEMS else []
    return Refusal("refused", what, "Nothing was sent: mend it and answer again", "\n".join(lines))


def completed(request: Request, answer: Answer) -> Answer:
    """A fitting answer as it is kept: with every field's value, or what the operator changed."""
    if answer.allow is False:
        return replace(answer, fields=None, difference=())
    if request.kind == "form":
        values, _problems = check_values(form_fields(request.action), answer.fields or {})
        return replace(answer, fields=values)
    if request.kind == "edit" and answer.text is not None:
        return replace(answer, difference=changes(request.action, answer.text))
    return replace(answer, fields=None)


def default_answer(request: Request, by: str, at: float) -> Answer:
    """The answer that takes the stated default (not None), in the operator's place."""
    answer = Answer(by, at, request.sha256)
    if request.kind == "approve":
        return replace(answer, allow=request.default is True)
    if request.kind == "choose":
        return replace(answer, option=str(request.default))
    if request.kind == "form":
        return completed(request, replace(answer, fields={}))
    return completed(request, replace(answer, text=str(request.default)))


def unfit_rule(request: Request, answer: Answer, wish: AlwaysWish) -> Refusal | None:
    """Why this answer cannot stand for later requests too."""
    if request.kind != "approve" or answer.allow is not True:
        return _refused("only an approval can stand for good", "Leave out --always")
    if answer.sha256 == "":
        return _refused(
            "an approval for good has to name the hash of what was read", "Give it with --hash"
        )
    if not always.MIN_FOR_S <= wish.for_s <= always.MAX_FOR_S:
        days = always.MAX_FOR_S / _SECONDS_A_DAY
        return _refused(
            f"for {wish.for_s:g} s: found, expected a minute to {days:g} days", "Give it with --for"
        )
    size = len(json.dumps(request.action, separators=(",", ":"), ensure_ascii=False).encode())
    if size > always.MAX_ACTION_BYTES:
        return _refused(
            f"an action of {size} bytes is too long to be approved for good",
            f"At most {always.MAX_ACTION_BYTES}: approve it this once",
        )
    if wish.standing >= always.MAX_RULES:
        return _refused(
            f"there are {wish.standing} rules already", "Revoke some: longwatch approvals revoke ID"
        )
    return None


def rule_of(state: RunState, request: Request, answer: Answer, wish: AlwaysWish) -> AlwaysRule:
    """The rule that an accepted answer makes."""
    return AlwaysRule(
        id=wish.rule_id,
        agent=state.agent,
        cwd=state.spec.cwd,
        sha256=request.sha256,
        title=request.title,
        action=request.action,
        set_by=answer.by,
        set_at=answer.at,
        expires_at=answer.at + wish.for_s,
        request_id=request.id,
    )


def _refused(what: str, fix: str) -> Refusal:
    return Refusal("refused", what, fix)
