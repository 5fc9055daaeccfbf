"""The secrets that this engine knows, and the two ways over the wall: conceal and reveal.

Everything that is stored, logged or shown has passed ``redactor``; what goes to an agent has its
values put back (docs/decisions/0005). Learns from its own environment, the configuration and the
sealed values of unfinished runs, and never forgets a value while it lives: a key that was replaced
yesterday is no less secret.
"""

from __future__ import annotations

import contextlib
import json
import secrets as random_names
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from supervisor.config.paths import Project
from supervisor.core.concealed import conceal_spec, reveal_spec
from supervisor.core.edited import is_json
from supervisor.core.form import form_fields
from supervisor.core.redact import Hidden, Redactor, has_marker, is_secret_value, put_back
from supervisor.core.run import Answer, Request, RunState
from supervisor.core.spec import AgentSpec
from supervisor.engine.sealed import SETTINGS, Sealed
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.problem import Problem
from supervisor.protocol.request import RequestDraft, request_from_json

MIN_LINE = 16
"""A line of a secret of several lines (a PEM key) counts alone from so many characters on."""


class Secrets:
    """Known values, and what stands for them. Belongs to the event loop, but for ``revealed``."""

    def __init__(self, project: Project, environment: Mapping[str, str]) -> None:
        self._sealed = Sealed(project)
        self._known: dict[str, str] = {}
        self._of_agents: dict[str, Hidden] = {}
        self.redactor = Redactor()
        self.learn(environment)

    def learn(self, variables: Mapping[str, str]) -> None:
        """Know the values of those variables that are secrets by name or shape."""
        found = {
            form: name
            for name, value in variables.items()
            for secret in self._secrets_in(name, value)
            for form in _forms(secret)
            if form not in self._known
        }
        if found:
            self._known.update(found)
            self.redactor = Redactor(self._known)

    def _secrets_in(self, name: str, value: str) -> Iterator[str]:
        if has_marker(value):
            return
        if is_secret_value(name, value):
            yield value
        # A password within a URL is printed alone, too, and may have any character.
        with contextlib.suppress(ValueError):
            yield urlsplit(value).password or ""
        for span in self.redactor.spans(value):
            yield value[span.start : span.end]

    def text(self, text: str) -> str:
        """``text`` without any secret known now."""
        return self.redactor.text(text)

    def record(self, value: Any) -> Any:
        """A fact, event or state without any secret known now."""
        return self.redactor.record(value)

    # -- settings -----------------------------------------------------------------------------

    def configured(self, spec: AgentSpec) -> AgentSpec:
        """The settings of config.toml as they may be stored; their values are remembered."""
        self.learn(spec.env)
        concealed, self._of_agents[spec.name] = conceal_spec(spec, self.redactor)
        return concealed

    def recovered(self, state: RunState) -> AgentSpec:
        """The settings of an unfinished run, concealed also if an older version stored them."""
        known = self._sealed.part(state.id, SETTINGS)
        self.learn({marker.removeprefix("[redacted ")[:-1]: v for marker, v in known.items()})
        self.learn(state.spec.env)
        concealed, hidden = conceal_spec(state.spec, self.redactor)
        if hidden:
            self._sealed.keep(state.id, SETTINGS, {**known, **hidden})
        return concealed

    def for_launch(self, state: RunState) -> AgentSpec:
        """The settings with every value put back. Blocks for an fsync when a value is new.

        The configuration's value counts before the one kept with the run, so that a replaced key
        holds from the next attempt on. EnvironmentFaultError when one is nowhere.
        """
        if not any(map(has_marker, (*state.spec.env.values(), *state.spec.command))):
            return state.spec
        kept = self._sealed.part(state.id, SETTINGS)
        hidden = {**kept, **self._of_agents.get(state.agent, {})}
        spec, missing = reveal_spec(state.spec, hidden)
        if missing:
            raise EnvironmentFaultError(
                f"no value for {', '.join(missing)} of {state.agent}",
                why="Secrets of a run are read from config.toml, else from its sealed.json",
                fix=f"Set it again in [agents.{state.agent}], then: longwatch restart",
            )
        texts = (*state.spec.env.values(), *state.spec.command)
        used = {m: value for m, value in hidden.items() if any(m in text for text in texts)}
        self._sealed.keep(state.id, SETTINGS, used)
        return spec

    # -- questions and answers ----------------------------------------------------------------

    def draft(self, run_id: str, file_id: str, value: Any) -> RequestDraft | Problem:
        """The question in a request file, concealed; its hash is of what the agent wrote.

        What its answer may have to contain is sealed first. EnvironmentFaultError if it cannot be.
        """
        draft = request_from_json(file_id, value)
        if self.redactor.spans(file_id):
            return Problem("name", "", "a name like a secret", "an id that may be shown")
        hidden: Hidden = {}
        clean = self.redactor.plain(value, hidden)
        if isinstance(draft, Problem) or clean is value:
            return draft
        concealed = request_from_json(file_id, clean)
        if isinstance(concealed, Problem):
            return concealed
        if draft.request.kind != "approve":
            self._sealed.keep(run_id, draft.request.sha256, hidden)
        request = replace(concealed.request, sha256=draft.request.sha256, redacted=len(hidden))
        return concealed._replace(request=request)

    def seal_answer(self, run_id: str, request: Request, answer: Answer) -> Answer:
        """The answer as it may be stored; its exact words are on disk when this returns.

        EnvironmentFaultError if they cannot be: then it must not be acknowledged.
        """
        hidden: Hidden = {}
        text, comment, option = (
            said if said is None else self.redactor.text(said, hidden)
            for said in (answer.text, answer.comment, answer.option)
        )
        fields = answer.fields and self._sealed_fields(request, answer.fields, hidden)
        if not hidden:
            return answer
        part = f"answer-{random_names.token_hex(8)}"
        self._sealed.keep(run_id, part, hidden)
        return replace(
            answer, text=text, comment=comment, option=option, fields=fields, sealed=part
        )

    def _sealed_fields(
        self, request: Request, values: dict[str, Any], hidden: Hidden
    ) -> dict[str, Any]:
        """A form's values: what was typed is looked through by its name too, a choice is not."""
        typed = {field.name for field in form_fields(request.action) if field.kind == "text"}
        return {
            name: self.redactor.plain({name: value}, hidden)[name]
            if name in typed
            else self.redactor.plain(value, hidden)
            for name, value in values.items()
        }

    def drop_answer(self, run_id: str, answer: Answer) -> None:
        """Forget the words of an answer that was not accepted."""
        if answer.sealed is not None:
            self._sealed.keep(run_id, answer.sealed, {})

    def revealed(self, run_id: str, request: Request) -> Request:
        """An answered question with the exact words for the agent. Any thread; blocks on a read.

        EnvironmentFaultError when they are gone: an agent never gets a marker for a secret.
        """
        answer = request.answer
        if answer is None:
            return request
        hidden: Hidden = {}
        if answer.sealed is not None and not (hidden := self._sealed.part(run_id, answer.sealed)):
            raise EnvironmentFaultError(f"the exact words of the answer to {request.id} are gone")
        # First those of the answer: they were chosen so that they fit none of the question's.
        text, comment, option = (
            said if said is None else put_back(said, hidden)
            for said in (answer.text, answer.comment, answer.option)
        )
        fields = answer.fields and _put_back_all(answer.fields, hidden)
        told = (text, option, *(fields or {}).values())
        if any(isinstance(said, str) and has_marker(said) for said in told):
            asked = self._sealed.part(run_id, request.sha256)
            if request.kind == "edit" and is_json(request.action):
                asked = {marker: json.dumps(secret)[1:-1] for marker, secret in asked.items()}
            text = text if text is None else put_back(text, asked)
            option = option if option is None else put_back(option, asked)
            fields = fields and _put_back_all(fields, asked)
        revealed = replace(answer, text=text, comment=comment, option=option, fields=fields)
        return replace(request, answer=revealed)

    def forget_run(self, run_id: str) -> None:
        """The run has succeeded: nothing of it will be launched or answered again."""
        self._sealed.forget(run_id)


def _put_back_all(values: dict[str, Any], hidden: Hidden) -> dict[str, Any]:
    return {
        name: put_back(value, hidden) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, and as programs print it: in JSON, in a URL, line by line."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    # The bytes of a log are looked through one character a byte.
    yield secret.encode("utf-8", "replace").decode("latin-1")
    if "\n" in secret:
        yield from (line.strip() for line in secret.splitlines() if len(line.strip()) >= MIN_LINE)
