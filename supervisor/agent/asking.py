"""The ways to ask the operator, as methods of the agent.

In all of them: ``action`` (JSON values) is what exactly will be done, and the answer is for that
alone. ``expires_in`` is seconds from now, None never. ``on_timeout`` is park, default or deny.
``default`` is what an unattended run takes. With ``park`` the process leaves while it waits and
comes back to the same call; without it, and always without a supervisor, it waits here.
"""

from __future__ import annotations

import json

from supervisor.agent.faults import UnfitValueError
from supervisor.agent.question import new_question, refuse_denied, wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from supervisor.agent.answer import Answer
    from supervisor.agent.question import Question


class Asking:
    """What ``Agent`` inherits; not used by itself."""

    def _ask(self, question: Question, *, park: bool) -> Answer:
        raise NotImplementedError

    def approve(
        self,
        title: str,
        action: Any = None,
        explanation: str | None = None,
        expires_in: float | None = None,
        on_timeout: str = "park",
        *,
        default: bool | None = None,
        park: bool = True,
    ) -> Answer:
        """Whether the operator allows ``action``; true only for a yes, and has a ``comment``.

        Nothing but a yes is one: not a denial, not a question that expired.
        """
        question = new_question(
            "approve",
            title,
            action=action,
            explanation=explanation,
            default=default,
            expires_in=expires_in,
            on_timeout=on_timeout,
        )
        return self._ask(question, park=park)

    def choose(
        self,
        title: str,
        options: Iterable[str],
        action: Any = None,
        explanation: str | None = None,
        *,
        expires_in: float | None = None,
        on_timeout: str = "park",
        default: str | None = None,
        park: bool = True,
    ) -> str:
        """One of ``options``; RequestRefusedError when it is denied or nobody answers in time."""
        question = new_question(
            "choose",
            title,
            action=action,
            explanation=explanation,
            options=list(options),
            default=default,
            expires_in=expires_in,
            on_timeout=on_timeout,
        )
        answer = self._ask(question, park=park)
        return wanted(answer.option, answer, title)

    def ask(
        self,
        title: str,
        explanation: str | None = None,
        expires_in: float | None = None,
        on_timeout: str = "park",
        *,
        default: str | None = None,
        park: bool = True,
    ) -> str:
        """Text from the operator; RequestRefusedError as for ``choose``."""
        question = new_question(
            "text",
            title,
            explanation=explanation,
            default=default,
            expires_in=expires_in,
            on_timeout=on_timeout,
        )
        answer = self._ask(question, park=park)
        return wanted(answer.text, answer, title)

    def edit(
        self,
        title: str,
        text: str | None = None,
        explanation: str | None = None,
        expires_in: float | None = None,
        on_timeout: str = "park",
        *,
        action: Any = None,
        default: Any = None,
        park: bool = True,
    ) -> Any:
        """``text`` as the operator leaves it; RequestRefusedError as for ``choose``.

        With ``action`` (JSON values, None for a text) instead of a text, that action as the
        operator leaves it: do what comes back, not what was proposed.
        """
        if (text is None) == (action is None):
            raise UnfitValueError(f"{title!r}: edit takes either a text or an action")
        if action is not None and default is not None:
            default = json.dumps(default)
        question = new_question(
            "edit",
            title,
            action={"text": text} if action is None else {"json": action},
            explanation=explanation,
            default=default,
            expires_in=expires_in,
            on_timeout=on_timeout,
        )
        answer = self._ask(question, park=park)
        edited = wanted(answer.text, answer, title)
        return edited if action is None else json.loads(edited)

    def form(
        self,
        title: str,
        fields: Iterable[dict[str, Any]],
        explanation: str | None = None,
        expires_in: float | None = None,
        on_timeout: str = "park",
        *,
        about: Any = None,
        park: bool = True,
    ) -> Answer:
        """Several values at once: ``answer["name"]``; RequestRefusedError as for ``choose``.

        A field is ``{"name", "type": text | number | boolean | choice}`` and optionally
        ``label``, ``options`` (of a choice), ``default``, ``required``, ``multiline``. A field
        without a value is None. ``about`` (JSON values) is shown with the form.
        """
        action: dict[str, Any] = {"fields": list(fields)}
        if about is not None:
            action["about"] = about
        question = new_question(
            "form",
            title,
            action=action,
            explanation=explanation,
            expires_in=expires_in,
            on_timeout=on_timeout,
        )
        answer = self._ask(question, park=park)
        refuse_denied(answer, title)
        return answer
