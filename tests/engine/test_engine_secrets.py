"""Secrets on their way to agents, and out of logs: real files, no process."""

from __future__ import annotations

import io
import json
import random
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.load import load_config
from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.answering import unfit
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.redact import Redactor
from supervisor.core.run import Answer, Request, RequestState, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.engine.log_reader import MARGIN_BYTES, read_piece
from supervisor.engine.runs import Reactions, Runs
from supervisor.engine.safe_stderr import SafeStderr
from supervisor.engine.secrets import Secrets
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.request import RequestDraft
from supervisor.store.event_log import SqliteEventLog

RUN_ID = "01J0000000000000000000ABCD"
KEY = "sk-ant-api03-0123456789abcdefghij"
OPTION = "sk-ant-api03-optionoption0123456789"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path.resolve())
    found.ensure()
    found.ensure_run(RUN_ID)
    return found


def configured(project: Project, secrets: Secrets, value: str) -> AgentSpec:
    project.config_file.write_text(
        f'[agents.a]\ncommand = ["true"]\nenv = {{ API_TOKEN = "{value}", PLAIN = "x" }}\n'
    )
    return secrets.configured(load_config(project).agents["a"])


def a_run(spec: AgentSpec) -> RunState:
    return RunState(
        id=RUN_ID, agent="a", spec=spec, created_at=1.0, status=Status.RUNNING, reason="",
        status_since=Moment(1.0, 1.0, "boot"),
    )  # fmt: skip


def sealed_text(project: Project) -> str:
    path = project.record_dir(RUN_ID) / "sealed.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return path.read_text()


def test_a_run_is_launched_with_its_secrets_when_the_configuration_has_them_no_more(
    project: Project,
) -> None:
    before = Secrets(project, {})
    run = a_run(configured(project, before, "first-value-1"))
    assert before.for_launch(run).env == {"API_TOKEN": "first-value-1", "PLAIN": "x"}
    # Another engine; config.toml is broken, so it has no settings at all.
    after = Secrets(project, {})
    assert after.recovered(run) == run.spec
    assert after.for_launch(run).env["API_TOKEN"] == "first-value-1"
    assert after.text("it is first-value-1") == "it is [redacted API_TOKEN]"


def test_a_replaced_key_holds_from_the_next_launch_and_the_old_one_stays_secret(
    project: Project,
) -> None:
    secrets = Secrets(project, {})
    run = a_run(configured(project, secrets, "first-value-1"))
    secrets.for_launch(run)
    assert configured(project, secrets, "second-value-2") == run.spec
    assert secrets.for_launch(run).env["API_TOKEN"] == "second-value-2"
    assert "first-value-1" not in sealed_text(project)
    assert "value-" not in secrets.text("first-value-1 second-value-2")


def test_a_value_that_is_nowhere_refuses_the_launch_and_names_the_variable(
    project: Project,
) -> None:
    run = a_run(configured(project, Secrets(project, {}), "first-value-1"))
    with pytest.raises(EnvironmentFaultError, match=r"no value for API_TOKEN of a.*agents\.a"):
        Secrets(project, {}).for_launch(run)


def test_settings_that_an_older_version_stored_openly_are_sealed_at_recovery(
    project: Project,
) -> None:
    secrets = Secrets(project, {})
    old = replace(configured(project, secrets, "x"), env={"API_TOKEN": "stored-openly"})
    spec = Secrets(project, {}).recovered(a_run(old))
    assert spec.env == {"API_TOKEN": "[redacted API_TOKEN]"}
    assert Secrets(project, {}).for_launch(a_run(spec)).env == old.env


def asked(project: Project, kind: str, **fields: object) -> tuple[Secrets, Request]:
    secrets = Secrets(project, {})
    draft = secrets.draft(RUN_ID, "q", {"kind": kind, "title": f"with {KEY}", **fields})
    assert isinstance(draft, RequestDraft)
    assert KEY not in repr(draft) and OPTION not in repr(draft)
    return secrets, replace(draft.request, id="ABCD-1")


def test_an_option_is_chosen_by_its_mark_and_delivered_exactly(project: Project) -> None:
    options = [f"use {KEY}", f"use {OPTION}", "none"]
    _, request = asked(project, "choose", options=options, default=options[1])
    assert len(set(request.options)) == 3 and request.default == request.options[1]
    assert request.redacted == 2
    for place, option in enumerate(request.options):
        answer = Answer("me", 1.0, request.sha256, option=option)
        given = replace(request, answer=answer, state=RequestState.ANSWERED)
        found = Secrets(project, {}).revealed(RUN_ID, given).answer
        assert found is not None and found.option == options[place]


def test_an_approval_seals_nothing_and_its_hash_is_of_what_the_agent_wrote(
    project: Project,
) -> None:
    from supervisor.protocol.canonical import request_sha256

    action = {"argv": ["curl", "-H", f"x-api-key: {KEY}"]}
    _, request = asked(project, "approve", action=action)
    assert request.sha256 == request_sha256("approve", f"with {KEY}", action, [])
    assert request.redacted == 1 and request.action["argv"][0] == "curl"
    assert not (project.record_dir(RUN_ID) / "sealed.json").exists()


def test_a_choice_in_a_field_named_like_a_secret_can_be_made(project: Project) -> None:
    fields = [
        {"name": "api_key", "type": "choice", "options": ["production1", f"other {KEY}"]},
        {"name": "password", "type": "text"},
    ]
    secrets, request = asked(project, "form", action={"fields": fields})
    shown = request.action["fields"][0]["options"]
    assert shown[0] == "production1" and KEY not in shown[1]
    for place, exact in enumerate(["production1", f"other {KEY}"]):
        values = {"api_key": shown[place], "password": "typed-by-hand-1"}
        given = Answer("me", 1.0, request.sha256, fields=values)
        sealed = secrets.seal_answer(RUN_ID, request, given)
        fact = secrets.record(f.AnswerGiven("ABCD-1", sealed))
        assert "typed-by-hand-1" not in repr(fact) and unfit(request, fact.answer) is None
        closed = replace(request, answer=fact.answer, state=RequestState.ANSWERED)
        found = Secrets(project, {}).revealed(RUN_ID, closed).answer
        assert found is not None
        assert found.fields == {"api_key": exact, "password": "typed-by-hand-1"}


async def test_nothing_told_of_a_run_or_by_the_engine_is_stored_with_a_secret(
    project: Project,
) -> None:
    secrets = Secrets(project, {"A_TOKEN": "known-value-0123456789"})
    shown: list[Recorded] = []
    reactions = Reactions(lambda *_: None, lambda *_: None, shown.extend, redacted=secrets.record)
    log = await SqliteEventLog.open(project.state_db)
    runs = Runs(log, lambda: Moment(1.0, 1.0, "boot"), random.Random(1), reactions)
    run_id = runs.create(configured(project, secrets, "in-the-settings-1"), "test").state.id
    runs.feed(run_id, f.StartWanted())
    message = f"no program {KEY} for known-value-0123456789 and in-the-settings-1"
    runs.feed(run_id, f.SpawnRefused(1, message, permanent=False, at=1.0))
    runs.feed(run_id, f.ProgressBad(f"progress.json: found {KEY}"))
    await runs.note(e.ConfigRejected((message,)))
    await log.close()
    stored = b"".join(path.read_bytes() for path in project.state_dir.glob("state.db*"))
    for text in (stored.decode("latin-1"), repr(shown), repr(list(runs.states()))):
        assert "no program [redacted Anthropic key] for [redacted A_TOKEN]" in text
        assert KEY not in text and "known-value" not in text and "in-the-settings" not in text


def test_a_question_whose_name_is_a_secret_is_refused_without_saying_it(project: Project) -> None:
    problem = Secrets(project, {}).draft(RUN_ID, KEY, {"kind": "ask", "title": "x"})
    assert not isinstance(problem, RequestDraft) and KEY not in str(problem)


def test_an_answer_is_stored_without_its_secret_and_delivered_with_it(project: Project) -> None:
    secrets, request = asked(project, "text")
    given = Answer("me", 1.0, request.sha256, text=f"{KEY}\n", comment=f"and {OPTION}")
    stored = secrets.seal_answer(RUN_ID, request, given)
    assert KEY not in repr(stored) and OPTION not in repr(stored)
    closed = replace(request, answer=stored, state=RequestState.ANSWERED)
    found = Secrets(project, {}).revealed(RUN_ID, closed).answer
    assert found is not None and (found.text, found.comment) == (given.text, given.comment)
    secrets.drop_answer(RUN_ID, stored)
    assert OPTION not in sealed_text(project)
    with pytest.raises(EnvironmentFaultError, match="exact words"):
        secrets.revealed(RUN_ID, closed)


@pytest.mark.parametrize("secret", [KEY, "known-välue-0123456789", "x" * 40 + "-known"])
def test_a_secret_in_a_log_is_found_wherever_pieces_meet(project: Project, secret: str) -> None:
    secrets = Secrets(
        project, {"A_TOKEN": "known-välue-0123456789", "B_TOKEN": "x" * 40 + "-known"}
    )
    log = project.out_log(RUN_ID)
    text = "a" * (MARGIN_BYTES + 500) + f" {secret} é {secret}\nend\n"
    log.write_text(text)
    size = len(text.encode())
    for first in range(MARGIN_BYTES + 495, MARGIN_BYTES + 620, 3):
        head = read_piece(log, 0, first, secrets.redactor)
        tail = read_piece(log, head["offset"], size, secrets.redactor)
        assert tail["offset"] == size and tail["start"] == head["offset"]
        shown = head["data"] + tail["data"]
        assert shown.count("[redacted ") == 2 and shown.endswith("]\nend\n"), first
        assert secret[:12] not in shown and secret[-8:] not in shown, first
    small, at = "", 0
    while at < size:
        piece = read_piece(log, at, 97, secrets.redactor)
        small, at = small + piece["data"], piece["offset"]
    assert small.count("[redacted ") == 2 and small.endswith("]\nend\n") and "é" in small
    assert read_piece(log, 0, 100, secrets.redactor)["data"] == "a" * 100


def test_a_secret_whose_end_is_not_written_yet_is_not_shown(project: Project) -> None:
    secrets = Secrets(project, {"A_TOKEN": "known-value-0123456789"})
    log = project.out_log(RUN_ID)
    log.write_text("is known-value-0")
    first = read_piece(log, 0, 100, secrets.redactor)
    log.write_text("is known-value-0123456789 end\n")
    second = read_piece(log, first["offset"], 100, secrets.redactor)
    assert first["data"] + second["data"] == "is [redacted A_TOKEN] end\n"


def test_standard_error_of_the_engine_is_redacted_line_by_line() -> None:
    target = io.StringIO()
    stream = SafeStderr(target, Redactor({"known-value-01": "A_TOKEN"}).text)
    for piece in ("a known-", "value-01 b\nkno", "wn-value-01", "\n", "rest known-value-01"):
        stream.write(piece)
    stream.end()
    assert target.getvalue() == (
        "a [redacted A_TOKEN] b\n[redacted A_TOKEN]\nrest [redacted A_TOKEN]"
    )


def test_a_traceback_that_ends_a_program_holds_no_secret() -> None:
    program = (
        "from supervisor.core.redact import Redactor\n"
        "from supervisor.engine.safe_stderr import guard_stderr\n"
        "guard_stderr(Redactor({'known-value-01': 'A_TOKEN'}).text)\n"
        "import asyncio\n"
        "async def f(): raise RuntimeError('with ' + 'known-' + 'value-01')\n"
        "async def main():\n    task = asyncio.create_task(f())\n    await asyncio.sleep(0)\n"
        "    del task\n    raise ValueError('known-' + 'value-01')\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "known-value-01" not in done.stderr
    assert done.stderr.count("[redacted A_TOKEN]") == 3, done.stderr
    assert "ValueError" in done.stderr and json.dumps(done.stdout) == '""'
