"""``requests/<id>.json``: a question to the operator, frozen as it was first read.

The operator consents to exactly what is shown, so nothing that the hash covers is ever cut,
guessed or left out: a bad kind, title or option refuses the whole question. Around it (default,
expiry, explanation) a bad field falls back to the careful side: no default, no expiry, park.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field

from supervisor.core.edited import is_json, json_problem
from supervisor.core.form import FieldProblem, declared_fields, default_values, form_fields
from supervisor.core.run import Request
from supervisor.core.text import safe_text
from supervisor.protocol.canonical import request_sha256
from supervisor.protocol.lenient import AgentModel, Time, problem_texts, validate
from supervisor.protocol.problem import Problem, shown
from supervisor.protocol.request_name import FILE_ID

TITLE_LIMIT = 1000
"""Characters; a longer title is refused, not cut: what is cut off was not consented to."""
OPTION_LIMIT = 500
MAX_OPTIONS = 100
EXPLANATION_LIMIT = 100_000


class RequestFile(AgentModel):
    """A question, version 1. ``null`` means absent."""

    kind: Literal["approve", "choose", "text", "edit", "form"]
    title: Annotated[str, Field(min_length=1, max_length=TITLE_LIMIT)]
    """One line for people."""
    action: Any = None
    """What exactly will be done: argv, paths, payload. Covered by the hash. Of an edit: ``text``,
    the text proposed, or ``json``, a JSON value; of a form: ``fields``, and ``about`` for what
    else is to be shown."""
    explanation: (
        Annotated[
            str,
            AfterValidator(lambda t: safe_text(t, limit=EXPLANATION_LIMIT, keep_newlines=True)),
        ]
        | None
    ) = None
    """Why, in the agent's own words. Not covered by the hash."""
    options: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=OPTION_LIMIT)]],
            Field(max_length=MAX_OPTIONS),
        ]
        | None
    ) = None
    """For choose: one line each, all different, without control or invisible characters."""
    default: Any = None
    """approve: true or false; choose: one of the options; text and edit: a text. A form's fields
    have their own."""
    expires_at: Time | None = None
    on_timeout: Literal["park", "default", "deny"] | None = None
    """What happens then; park when absent."""
    created_at: Time | None = None


class RequestDraft(NamedTuple):
    """A question that can be asked."""

    request: Request
    """Without ``id``, ``epoch`` and our own ``created_at``: the core gives those. Title and
    explanation are cleaned for display; ``action``, ``default`` and ``options`` are raw (options
    hold nothing that cleaning would change). ``sha256`` is of what the agent wrote."""
    problems: tuple[str, ...]
    """Fields that were left out, each named; printable ASCII."""


def request_from_json(file_id: str, value: Any) -> RequestDraft | Problem:
    """The question in ``value`` (the object in the file); a Problem refuses it. Never raises."""
    if not FILE_ID.fullmatch(file_id):
        return Problem("name", "", shown(file_id), f"an id that matches {FILE_ID.pattern}")
    checked = validate(RequestFile, value)
    if isinstance(checked, Problem):
        return checked
    model, problems = checked
    options = tuple(model.options or ())
    if problem := _hashed_problem(model, options, problems):
        return problem
    try:
        sha256 = request_sha256(model.kind, model.title, model.action, list(options))
    except ValueError as error:
        return Problem("schema", "action", shown(str(error)), "a JSON value")
    on_timeout = model.on_timeout or "park"
    default = model.default
    if model.kind == "form":
        if default is not None:
            own = "nothing: a form's fields have their own"
            problems.append(Problem("schema", "default", shown(default), own))
        # Its values are read from the action when they are needed.
        default = True if default_values(form_fields(model.action)) else None
    elif default is not None and (expected := _unfit_default(model, options)):
        problems.append(Problem("schema", "default", shown(default), expected))
        default = None
    if on_timeout == "default" and default is None:
        problems.append(Problem("schema", "default", "nothing", "what on_timeout asks for"))
        on_timeout = "park"
    request = Request(
        id="",
        file_id=file_id,
        kind=model.kind,
        title=safe_text(model.title),
        sha256=sha256,
        created_at=model.created_at or 0.0,
        epoch=0,
        action=model.action,
        explanation=model.explanation,
        options=options,
        default=default,
        on_timeout=on_timeout,
        expires_at=model.expires_at,
    )
    return RequestDraft(request, problem_texts(problems))


def _hashed_problem(
    model: RequestFile, options: tuple[str, ...], problems: list[Problem]
) -> Problem | None:
    """Why this cannot be asked: what the hash covers is not what was written, or is unclear."""
    for problem in problems:
        if problem.field.startswith("options"):
            return problem
    if not model.title.strip():
        return Problem("schema", "title", shown(model.title), "a line for people")
    if model.kind == "form":
        declared = declared_fields(model.action)
        if isinstance(declared, FieldProblem):
            return Problem("schema", declared.field, declared.found, declared.expected)
    if model.kind == "choose" and not options:
        return Problem("schema", "options", "nothing", "at least one option to choose")
    if len(set(options)) < len(options):
        return Problem("schema", "options", "the same option twice", "different options")
    for index, option in enumerate(options):
        if not option.strip() or safe_text(option) != option:
            expected = "visible characters on one line"
            return Problem("schema", f"options[{index}]", shown(option), expected)
    return None


def _unfit_default(model: RequestFile, options: tuple[str, ...]) -> str | None:
    """What the default should have been; None when it fits."""
    kind, default = model.kind, model.default
    if kind == "edit" and is_json(model.action):
        is_fit = isinstance(default, str) and json_problem(default) is None
        return None if is_fit else "a text that is JSON"
    if kind == "approve":
        return None if isinstance(default, bool) else "true or false"
    if kind == "choose":
        return None if default in options else "one of the options"
    return None if isinstance(default, str) else "a text"
