"""A question to the operator as it stands in its file, its hash, and what answers it.

The limits are the reader's: what it would refuse to show is refused here, where the mistake is,
and not by a run that stays parked behind a question nobody sees.
"""

from __future__ import annotations

import time

from supervisor.agent.canonical import canonical, now_text, plain, sha256, time_text
from supervisor.agent.faults import RequestRefusedError, UnfitValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.agent.answer import Answer

    Question = dict[str, Any]

ON_TIMEOUT = ("park", "default", "deny")
ANSWERS = ("allow", "option", "text", "fields", "comment")
"""The fields of an answer that a person fills in."""
TITLE_LIMIT = 1000
OPTION_LIMIT = 500
MAX_OPTIONS = 100
LIMIT_BYTES = 1_000_000
MAX_NODES = 9_900
MAX_DEPTH = 31


def new_question(
    kind: str,
    title: str,
    *,
    action: Any = None,
    explanation: str | None = None,
    options: list[str] | None = None,
    default: Any = None,
    expires_in: float | None = None,
    on_timeout: str = "park",
) -> Question:
    """The content of a request file; ``expires_in`` is seconds from now, None is never.

    Raises UnfitValueError for an ``on_timeout``, option or default that cannot be.
    """
    _check_words(title, options)
    if on_timeout not in ON_TIMEOUT:
        raise UnfitValueError(f"on_timeout is {on_timeout!r}; one of {', '.join(ON_TIMEOUT)}")
    if on_timeout == "default" and default is None and kind != "form":
        raise UnfitValueError('on_timeout="default" needs a default')
    if options is not None and default is not None and default not in options:
        raise UnfitValueError(f"the default {default!r} is none of the options {options}")
    question: Question = {"kind": kind, "title": title, "on_timeout": on_timeout}
    said = {"action": action, "explanation": explanation, "options": options, "default": default}
    question |= {key: value for key, value in said.items() if value is not None}
    if expires_in is not None:
        question["expires_at"] = time_text(time.time() + expires_in)
    question["created_at"] = now_text()
    as_read: Question = plain(question, f"the question {title!r}")
    if kind == "form":
        from supervisor.agent.form import check_fields

        check_fields(title, as_read["action"]["fields"])
    _check_size(as_read)
    return as_read


def _check_words(title: str, options: list[str] | None) -> None:
    """What the operator consents to is never cut or guessed, so it must be fit to be shown."""
    if not title.strip() or len(title) > TITLE_LIMIT:
        raise UnfitValueError(f"the title of a question has 1 to {TITLE_LIMIT} characters")
    if options is None:
        return
    if not 1 <= len(options) <= MAX_OPTIONS or len(set(options)) < len(options):
        raise UnfitValueError(f"{title!r} needs 1 to {MAX_OPTIONS} options, all different")
    for option in options:
        if not (option.strip() and option.isprintable() and len(option) <= OPTION_LIMIT):
            raise UnfitValueError(
                f"option {option!r} is not one visible line of at most {OPTION_LIMIT} characters"
            )


def _check_size(question: Question) -> None:
    size = len(canonical(question, f"the question {question['title']!r}"))
    nodes, depth = _extent(question)
    if size > LIMIT_BYTES or nodes > MAX_NODES or depth > MAX_DEPTH:
        raise UnfitValueError(
            f"the question {question['title']!r} is too large to be read by a person: {size} "
            f"bytes, {nodes} values, {depth} deep; at most {LIMIT_BYTES}, {MAX_NODES}, {MAX_DEPTH}"
        )


def _extent(value: Any) -> tuple[int, int]:
    """How many values there are in ``value``, and how deep they stand."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    parts = [_extent(part) for part in inner]
    own_depth = 1 if isinstance(value, (dict, list)) else 0
    return 1 + sum(n for n, _ in parts), own_depth + max((d for _, d in parts), default=0)


def question_sha256(question: Question) -> str:
    """The hash an answer must carry: of what is asked and done, not of how it is explained."""
    covered = {
        "kind": question.get("kind"),
        "title": question.get("title"),
        "action": question.get("action"),
        "options": question.get("options") or [],
    }
    return sha256(canonical(covered, f"the question {question.get('title')!r}"))


def default_answer(question: Question) -> dict[str, Any]:
    """The fields of an answer that takes the stated default."""
    if question["kind"] == "form":
        from supervisor.agent.form import default_values

        return {**dict.fromkeys(ANSWERS), "fields": default_values(question)}
    default = question["default"]
    field = {"approve": "allow", "choose": "option"}.get(question["kind"], "text")
    return {**dict.fromkeys(ANSWERS), field: default}


def has_default(question: Question) -> bool:
    """Whether the question can be answered without anybody."""
    if question["kind"] == "form":
        from supervisor.agent.form import default_values

        return default_values(question) is not None
    return "default" in question


def wanted(value: str | None, answer: Answer, title: str) -> str:
    """``value`` of ``answer``; RequestRefusedError when it was denied or came too late."""
    refuse_denied(answer, title)
    if value is not None:
        return value
    raise RequestRefusedError(f"no answer to {title!r}: it carries nothing that fits")


def refuse_denied(answer: Answer, title: str) -> None:
    """RequestRefusedError when it was denied or came too late."""
    if not answer.is_expired and answer.allow is not False:
        return
    how = "nobody answered in time" if answer.is_expired else f"{answer.by or 'operator'} denied it"
    comment = f" ({answer.comment})" if answer.comment else ""
    raise RequestRefusedError(f"no answer to {title!r}: {how}{comment}")
