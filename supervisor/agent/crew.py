"""Who works and who waits, of the pieces of work that go side by side.

A process parks only when nothing in it works any more: when every member of every crew waits,
for a time or for an answer. Until then who waits does so in place.
"""

from __future__ import annotations

from _thread import allocate_lock


class Member:
    """One worker of ``agent.parallel``."""

    __slots__ = ("crew", "inner", "is_waiting")

    def __init__(self, crew: Crew | None) -> None:
        self.crew = crew
        """None: a thread or task that nobody keeps count of; it never parks the process."""
        self.inner: Crew | None = None
        """The crew this member has started and waits for."""
        self.is_waiting = False

    def is_idle(self) -> bool:
        """Whether it waits, or all that it has started does."""
        return self.is_waiting or (self.inner is not None and self.inner.is_idle())


class Crew:
    """The members of one ``agent.parallel`` that still live."""

    def __init__(self, outer: Member | None) -> None:
        self._outer = outer
        self._members: set[Member] = set()
        self._lock = allocate_lock()
        if outer is not None:
            outer.inner = self

    def join(self) -> Member:
        """A new member, at work."""
        member = Member(self)
        with self._lock:
            self._members.add(member)
        return member

    def leave(self, member: Member) -> None:
        """It has nothing left to do."""
        with self._lock:
            self._members.discard(member)

    def disband(self) -> None:
        """All is done: who started the crew works again."""
        if self._outer is not None:
            self._outer.inner = None

    def is_idle(self) -> bool:
        """Whether every living member is."""
        with self._lock:
            members = list(self._members)
        return all(member.is_idle() for member in members)

    def does_everybody_wait(self) -> bool:
        """Whether nothing of the whole program works, as far as crews know."""
        if self._outer is None:
            return self.is_idle()
        return self._outer.crew is not None and self._outer.crew.does_everybody_wait()


ALONE = Member(None)
"""Stands for every thread or task that is in no crew."""


def does_everybody_wait(member: Member | None) -> bool:
    """Whether the process may park, with the caller waiting; None is the program's own flow."""
    if member is None:
        return True
    return member.crew is not None and member.crew.does_everybody_wait()
