"""The error tree: every error we raise says what, why, what to do, and whose fault it is.

The second level of the tree decides the reaction, in one place (``cli.exit_codes``):
a user's mistake exits 2 without a traceback, an agent's is recorded and never ends us, the
environment's names the repair, and only our own shows a traceback.
"""

from __future__ import annotations


class LongwatchError(Exception):
    """Root of all our errors.

    ``what`` was found, ``why`` it matters or what was expected, ``fix`` the next thing to do,
    ``where`` the file, key or command. Only ``what`` is required.
    """

    def __init__(self, what: str, *, why: str = "", fix: str = "", where: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix
        self.where = where

    def __str__(self) -> str:
        """Everything in one line: ``where: what: why. fix``, leaving out what is empty."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return " ".join(
            part
            for part in (
                f"{head}." if self.why or self.fix else head,
                f"{self.why}." if self.why else "",
                self.fix,
            )
            if part
        )


class UserError(LongwatchError):
    """The person who typed it, or their configuration, is wrong. Exit status 2."""


class ConfigError(UserError):
    """``config.toml`` cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: tuple[str, ...], *, where: str = "") -> None:
        super().__init__("\n".join(problems), where="")
        self.problems = problems
        self.where = where


class NotRunningError(LongwatchError):
    """Nothing runs for this project directory. Exit status 4."""


class HeldElsewhereError(LongwatchError):
    """Another engine or keeper holds this project directory. Exit status 3."""


class AgentError(LongwatchError):
    """Something an agent wrote or did is wrong; it is recorded and never ends us."""


class EnvironmentFaultError(LongwatchError):
    """Disk, permission, socket or limit: the message says how to mend it."""


class RefusedError(LongwatchError):
    """The engine understood the call and says no (unknown run, conflict, expired). Exit 1."""
