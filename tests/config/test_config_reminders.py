"""``remind_after`` and ``remind_max`` in config.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import defaults
from supervisor.config.load import check_config
from supervisor.config.paths import Project
from supervisor.core.spec import AgentSpec
from tests.core.builders import a_spec


def of(folder: Path, lines: str) -> tuple[AgentSpec | None, list[str]]:
    (folder / "config.toml").write_text(f'[agents.a]\ncommand = ["true"]\n{lines}\n')
    config, problems = check_config(Project.find(folder))
    return (config.agents["a"] if config else None), list(map(str, problems))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [('"15m"', 900.0), ("90", 90.0), ('"never"', None), ('" Never "', None), ("0", None),
     ('"0s"', None), ('"none"', None)],
)  # fmt: skip
def test_the_first_reminder_is_a_duration_or_never(
    tmp_path: Path, written: str, seconds: float | None
) -> None:
    spec, problems = of(tmp_path, f"remind_after = {written}")
    assert spec is not None, problems
    assert spec.remind_after_s == seconds


def test_the_defaults_are_those_of_a_run_from_before_there_were_reminders(tmp_path: Path) -> None:
    spec, _ = of(tmp_path, "")
    assert spec is not None
    assert (spec.remind_after_s, spec.remind_max_s) == (
        defaults.REMIND_AFTER_S,
        defaults.REMIND_MAX_S,
    )
    old = a_spec()
    assert (old.remind_after_s, old.remind_max_s) == (spec.remind_after_s, spec.remind_max_s)


@pytest.mark.parametrize(
    "line",
    ['remind_after = "sometimes"', "remind_after = -1", "remind_max = 0", "remind_max = true"],
)
def test_anything_else_is_refused_with_its_key(tmp_path: Path, line: str) -> None:
    spec, problems = of(tmp_path, line)
    assert spec is None
    assert line.split(maxsplit=1)[0] in problems[0]
