"""What is a secret in a text, and the text without it. Pure: the known values are given.

Three ways to know one: its exact value (of a variable that is named like a secret), its shape, and
the name before it (``password=…``). What replaces it, ``[redacted NAME]``, is never itself taken
for a secret. A shape takes in nothing but the characters of a token: no agent can hide a command
from the operator by writing it so that it looks like a key.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

from supervisor.core.secret_names import is_secret_name
from supervisor.core.secret_shapes import SHAPES, TOKEN
from supervisor.core.spec import AgentSpec

T = TypeVar("T")
Hidden = dict[str, str]
"""Marker → what it stands for, where it has to be put back."""

MIN_SECRET = 8
"""Characters; a shorter value would blacken ordinary words wherever they stand."""
MIN_CUT = 12
"""The beginning of a known value counts from here on where a text was cut off."""
_Known = tuple[str, str, str]
"""What a known value begins with, all of it, and the name to show."""
_CUT = ("", "…", ".", "'", '"')


class Span(NamedTuple):
    """A secret in a text."""

    start: int
    end: int
    label: str


_KEYWORDS = ("key", "token", "secret", "pass", "pwd", "credential", "cookie", "dsn", "auth", "jwt")
_ASSIGNED = re.compile(
    r"[A-Za-z0-9_-]{0,32}\\?[\"']?[ \t]{0,3}(?::=|=>|=|:|[ \t])[ \t]{0,3}\\?[\"']?"
    r"([A-Za-z0-9._~+/=!@#%^*-]{8,})",
    re.ASCII,
)
"""From a keyword on: the rest of the name, what separates, and the value."""
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_PATH_STARTS = ("/", "./", "../", "~/", "file:")


class Redactor:
    """Finds secrets in texts, JSON values and frozen dataclasses. Immutable.

    Costs about 3 µs for a text without any, and 50 ns more for each known value, but never more
    than for each character.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        """``known``: value → the name to show for it; values that are too short are left out."""
        values = sorted((v for v in known or {} if len(v) >= MIN_SECRET), key=len, reverse=True)
        self._known = tuple((value[:MIN_CUT], value, (known or {})[value]) for value in values)
        self._by_head: dict[str, list[_Known]] = {}
        for entry in self._known:
            self._by_head.setdefault(entry[0][:MIN_SECRET], []).append(entry)

    def text(self, text: str, hidden: Hidden | None = None) -> str:
        """``text`` with every secret replaced.

        With ``hidden`` each different secret gets a marker of its own, and ``hidden`` says what it
        stands for; ``put_back`` reverses it.
        """
        spans = self.spans(text)
        if not spans:
            return text
        parts: list[str] = []
        end = 0
        for span in spans:
            secret = text[span.start : span.end]
            parts += (text[end : span.start], _marker(span.label, secret, text, hidden))
            end = span.end
        return "".join((*parts, text[end:]))

    def spans(self, text: str) -> list[Span]:
        """Where secrets are, in order, not overlapping."""
        if len(text) < MIN_SECRET or not self._may_hold(text):
            return []
        found = [*self._known_in(text), *_shapes_in(text), *_assigned_in(text)]
        return _without_overlap(found) if found else found

    def plain(self, value: Any, hidden: Hidden | None = None) -> Any:
        """A JSON value with every secret replaced, the same object when there is none.

        Texts under a key that is named like a secret are replaced as a whole when they are one
        word.
        """
        texts: list[str] = []
        if not _collect(value, texts) and not self._may_hold("\n".join(texts)):
            return value
        return self._rebuilt(value, hidden)

    def record(self, value: T) -> T:
        """A frozen dataclass (a fact, an event, a state) with every secret replaced.

        Left alone: settings (they are cleaned where they are read), hashes, and names that have to
        fit something else. The same object when there is no secret.
        """
        result: T = self.plain(value)
        return result

    def _may_hold(self, text: str) -> bool:
        if self._begun_in(text):
            return True
        lower = text.lower()
        for anchor in _ANCHORS:  # noqa: SIM110 - a generator costs more than what it asks
            if anchor in lower:
                return True
        return False

    def _begun_in(self, text: str) -> list[_Known]:
        """Known values that may begin in ``text``: the cheaper of two ways to look."""
        if len(self._known) <= len(text):
            return [entry for entry in self._known if entry[0] in text]
        found: list[_Known] = []
        for at in range(len(text) - MIN_SECRET + 1):
            found += self._by_head.get(text[at : at + MIN_SECRET], ())
        return found

    def _known_in(self, text: str) -> Iterator[Span]:
        for start, value, name in self._begun_in(text):
            at = text.find(start)
            while at >= 0:
                if text.startswith(value, at):
                    yield Span(at, at + len(value), name)
                elif (end := _cut_end(text, at, value)) is not None:
                    yield Span(at, end, name)
                at = text.find(start, at + 1)

    def _rebuilt(self, value: Any, hidden: Hidden | None) -> Any:
        kind: Any = type(value)
        if kind is str:
            return self.text(value, hidden)
        if kind is dict:
            return {
                self.text(key, hidden) if type(key) is str else key: _marker(key, item, "", hidden)
                if _is_secret_entry(key, item)
                else self._rebuilt(item, hidden)
                for key, item in value.items()
            }
        if kind is list or kind is tuple:
            return kind(self._rebuilt(item, hidden) for item in value)
        if kind is not AgentSpec and (names := _field_names(kind)):
            changes = {}
            for name in names:
                old = getattr(value, name)
                new = self._rebuilt(old, hidden)
                if new is not old and new != old:
                    changes[name] = new
            return dataclasses.replace(value, **changes) if changes else value
        return value


def put_back(text: str, hidden: Mapping[str, str]) -> str:
    """``text`` with the markers of ``hidden`` replaced by what they stand for."""
    for marker, secret in hidden.items():
        text = text.replace(marker, secret)
    return text


def has_marker(text: str) -> bool:
    """Whether something in ``text`` was replaced (or is written as if it were)."""
    return "[redacted " in text


def _marker(label: str, secret: str, text: str, hidden: Hidden | None) -> str:
    marker = f"[redacted {label[:64]}]"
    if hidden is None:
        return marker
    number = 1
    while hidden.get(marker, secret) != secret or (marker not in hidden and marker in text):
        number += 1
        marker = f"[redacted {label[:64]} {number}]"
    hidden[marker] = secret
    return marker


def _cut_end(text: str, at: int, value: str) -> int | None:
    """Where a known value that was cut off ends; None when it only begins alike."""
    end = at + MIN_CUT
    while end < len(text) and end - at < len(value) and text[end] == value[end - at]:
        end += 1
    return end if text[end : end + 1] in _CUT and len(value) > MIN_CUT else None


def _shapes_in(text: str) -> Iterator[Span]:
    lower = text.lower()
    for shape in SHAPES:
        if any(anchor in lower for anchor in shape.anchors):
            for match in shape.pattern.finditer(text):
                group = 1 if shape.pattern.groups else 0
                yield Span(match.start(group), match.end(group), shape.label)


def _assigned_in(text: str) -> Iterator[Span]:
    """``NAME=value`` and its like, where the name is a secret's and the value looks random."""
    lower = text.lower()
    if len(lower) != len(text):
        return  # A letter whose lower case is longer: positions would not fit.
    for keyword in _KEYWORDS:
        at = lower.find(keyword)
        while at >= 0:
            match = _ASSIGNED.match(text, at)
            if match is not None and (name := _name_around(text, at, match)):
                yield Span(match.start(1), match.end(1), name)
            at = lower.find(keyword, at + 1)


def _name_around(text: str, at: int, match: re.Match[str]) -> str:
    """The whole name that a keyword is part of; empty when what follows is no secret."""
    start = at
    while start > 0 and at - start < 64 and text[start - 1] in _NAME_CHARACTERS:
        start -= 1
    end = at
    while end < len(text) and text[end] in _NAME_CHARACTERS:
        end += 1
    name, value = text[start:end], match[1]
    if text[end : match.start(1)].isspace() and not name.startswith("--"):
        return ""  # Prose: only an option has its value behind a blank.
    name = name.strip("-")
    return name if is_secret_name(name) and looks_random(value) else ""


def looks_random(value: str) -> bool:
    """Whether a word could be a password: letters and digits mixed, and no path."""
    has_digit = any(c.isdigit() for c in value)
    has_letter = any(c.isalpha() for c in value)
    return has_digit and has_letter and not value.startswith(_PATH_STARTS)


def is_secret_value(name: str, value: str) -> bool:
    """Whether the value of a variable is a secret by the name alone (its shape not looked at)."""
    return bool(value) and is_secret_name(name) and not value.startswith(_PATH_STARTS)


def _is_secret_entry(key: object, value: object) -> bool:
    return (
        type(key) is str
        and type(value) is str
        and len(value) >= MIN_SECRET
        and is_secret_name(key)
        and value.isprintable()
        and _ONE_WORD.fullmatch(value) is not None
        and not value.startswith(_PATH_STARTS)
    )


_ONE_WORD = re.compile(rf"{TOKEN}+", re.ASCII)
_ALL_ANCHORS = {*(anchor for shape in SHAPES for anchor in shape.anchors), *_KEYWORDS}
_ANCHORS = tuple(sorted(a for a in _ALL_ANCHORS if not any(b in a for b in _ALL_ANCHORS if b != a)))
"""What every secret without a known value has one of, in lower case."""
_LEFT_ALONE = frozenset(
    {"agent", "agents", "boot", "episode", "fields", "file_id", "sealed", "severity", "sha256",
     "source"}
)  # fmt: skip
"""Fields that something else has to fit, or that hold no free text; the values of a form are
redacted by its declaration, before they become a fact."""


def _collect(value: Any, texts: list[str]) -> bool:
    """Gather every text; whether one is a secret by the key it stands under."""
    kind: Any = type(value)
    if kind is str:
        if len(value) >= MIN_SECRET:
            texts.append(value)
        return False
    if kind in _NO_TEXT:
        return False
    if kind is dict:
        for key, item in value.items():
            if _is_secret_entry(key, item) or _collect(key, texts) or _collect(item, texts):
                return True
        return False
    if kind is list or kind is tuple:
        for item in value:  # noqa: SIM110 - a generator in any() would cost more
            if _collect(item, texts):
                return True
        return False
    for name in _field_names(kind):
        item = getattr(value, name)
        if type(item) not in _NO_TEXT and _collect(item, texts):
            return True
    return False


_NO_TEXT = frozenset({int, float, bool, type(None), AgentSpec})


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    if not dataclasses.is_dataclass(kind):
        return ()
    names = (field.name for field in dataclasses.fields(kind))
    return tuple(name for name in names if name not in _LEFT_ALONE)


def _without_overlap(found: list[Span]) -> list[Span]:
    """In order; of what overlaps one span, with the label of the one that begins first."""
    merged: list[Span] = []
    for span in sorted(found, key=lambda s: (s.start, -s.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged
