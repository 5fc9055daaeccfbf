"""What the operator decided, as the agent gets it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Answer:
    """The answer to one request; true exactly when it was approved."""

    __slots__ = ("allow", "by", "comment", "fields", "is_expired", "option", "text")

    def __init__(self, fields: dict[str, Any]) -> None:
        self.allow: bool | None = fields.get("allow")
        self.option: str | None = fields.get("option")
        self.text: str | None = fields.get("text")
        self.fields: dict[str, Any] = fields.get("fields") or {}
        """Of a form: every field's value by its name, None where nothing was given."""
        self.comment: str | None = fields.get("comment")
        self.by: str = str(fields.get("by", ""))
        self.is_expired: bool = fields.get("expired") is True
        """Nobody answered in time; never consent."""

    def __bool__(self) -> bool:
        """Whether the operator (or a stated default) said yes; anything but a yes is no."""
        return self.allow is True and not self.is_expired

    def __getitem__(self, name: str) -> Any:
        """The value of a form's field; KeyError for a name that the form does not have."""
        return self.fields[name]

    def __repr__(self) -> str:
        """For a log line."""
        return f"Answer(allow={self.allow}, by={self.by!r}, comment={self.comment!r})"
