"""config.toml: what is read, and what each bad input gets."""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
from pathlib import Path

import pytest

from supervisor.config import defaults
from supervisor.config.advice import advise
from supervisor.config.load import check_config, load_config
from supervisor.config.paths import Project
from supervisor.config.problems import Problem, Problems
from supervisor.core.spec import AgentSpec, Restart
from supervisor.errors import ConfigError

GOOD = '[agents.a]\ncommand = ["true"]\n'
REPOSITORY = Path(__file__).parents[2]


def project_of(folder: Path, text: str | bytes) -> Project:
    content = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
    (folder / "config.toml").write_bytes(content)
    return Project.find(folder)


def agent_of(folder: Path, text: str, name: str = "a") -> AgentSpec:
    return load_config(project_of(folder, text)).agents[name]


def errors_of(folder: Path, text: str | bytes) -> list[Problem]:
    _, problems = check_config(project_of(folder, text))
    return [problem for problem in problems if problem.severity == "error"]


def test_an_agent_with_a_command_alone_gets_every_default(tmp_path: Path) -> None:
    spec = agent_of(tmp_path, GOOD)
    assert spec.command == ("true",)
    assert spec.cwd == str(tmp_path)
    assert spec.timeout_s == 7200.0
    assert spec.attempt_timeout_s is None and spec.stall_timeout_s is None
    assert (spec.stop_signal, spec.stop_grace_s) == ("TERM", 10.0)
    assert spec.restart is Restart.ON_FAILURE
    assert not spec.autostart and not spec.unattended
    assert spec.checkpoint == "checkpoint.json"
    assert dataclasses.astuple(spec.retry) == (5, 0.5, 30.0, 2.0, 0.2, 6, 600.0)


def test_the_default_retries_always_run_before_the_default_crash_loop() -> None:
    assert defaults.CRASH_LOOP_DEATHS > defaults.MAX_RETRIES


def test_every_key_of_the_documentation_is_read(tmp_path: Path) -> None:
    spec = agent_of(
        tmp_path,
        """
        [agents.a]
        command = ["{python}", "{project}/x.py", "{other}", "{}"]
        description = "what it is for"
        cwd = "sub"
        autostart = true
        unattended = true
        checkpoint = "state.bin"
        timeout = "1h30m"
        attempt_timeout = 90
        stall_timeout = "none"
        stop_signal = "SIGINT"
        stop_grace = 2.5
        restart = "always"
        env = { REPORT = "{project}/out", _X1 = "" }
        env_pass = ["ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"]
        [agents.a.retry]
        max_retries = 0
        base_delay_seconds = 0
        max_delay_seconds = "1m"
        exponential_base = 3
        jitter_fraction = 0.0
        crash_loop_deaths = 2
        crash_loop_window = "5m"
        """,
    )
    assert spec.command == (sys.executable, f"{tmp_path}/x.py", "{other}", "{}")
    assert spec.cwd == str(tmp_path / "sub")
    assert (spec.timeout_s, spec.attempt_timeout_s, spec.stall_timeout_s) == (5400.0, 90.0, None)
    assert (spec.stop_signal, spec.stop_grace_s) == ("INT", 2.5)
    assert spec.restart is Restart.ALWAYS and spec.autostart and spec.unattended
    assert spec.env == {"REPORT": f"{tmp_path}/out", "_X1": ""}
    assert spec.env_pass == ("ANTHROPIC_API_KEY",)
    assert dataclasses.astuple(spec.retry) == (0, 0.0, 60.0, 3.0, 0.0, 2, 300.0)


def test_an_agent_overrides_defaults_key_by_key_in_env_and_retry_too(tmp_path: Path) -> None:
    spec = agent_of(
        tmp_path,
        """
        [defaults]
        command = ["true"]
        timeout = "none"
        autostart = true
        env = { A = "1", B = "1" }
        retry = { max_retries = 9, max_delay_seconds = 5 }
        [agents.a]
        autostart = false
        env = { B = "2" }
        retry = { max_retries = 1 }
        """,
    )
    assert spec.timeout_s is None and not spec.autostart
    assert spec.env == {"A": "1", "B": "2"}
    assert (spec.retry.max_retries, spec.retry.max_delay_s) == (1, 5.0)


def test_the_configuration_of_this_repository_is_right_without_a_warning() -> None:
    project = Project.find(REPOSITORY)
    config, problems = check_config(project)
    assert config is not None
    advise(project, config, problems)
    assert list(map(str, problems)) == []
    assert [name for name, spec in config.agents.items() if spec.autostart] == [
        "license-audit",
        "code-census",
        "heartbeat",
    ]
    for spec in config.agents.values():
        assert (Path(spec.cwd) / spec.command[1]).is_file()


def test_the_same_bytes_have_the_same_digest(tmp_path: Path) -> None:
    first = load_config(project_of(tmp_path, GOOD)).sha256
    assert load_config(project_of(tmp_path, GOOD)).sha256 == first
    assert load_config(project_of(tmp_path, GOOD + "# x\n")).sha256 != first


A = "[agents.a]\n"
BAD_ROWS = [
    (GOOD + "tiemout = 5\n", "agents.a.tiemout", 3, "tiemout", 'Did you mean "timeout"?'),
    ("tiemout = 5\n" + GOOD, "tiemout", 1, "tiemout", '"timeout" in [defaults]'),
    ("[agent.a]\n" + GOOD, "agent", 1, "agent", 'Did you mean "agents"?'),
    (GOOD + "max_retries = 3\n", "agents.a.max_retries", 3, "max_retries", "[agents.a.retry]"),
    (GOOD + "[agents.a.retry]\ntimeout = 3\n", "agents.a.retry.timeout", 4, "timeout",
     "It belongs in [agents.a]."),
    (GOOD + 'cmd = ["x"]\n', "agents.a.cmd", 3, "cmd", '"command"'),
    (A + "autostart = true\n", "agents.a.command", 1, "missing", "command = ["),
    (A + 'command = "python x.py --a \'b c\'"\n', "agents.a.command", 2,
     "a list, never a shell line", 'command = ["python", "x.py", "--a", "b c"]'),
    (A + 'command = "a | b"\n', "agents.a.command", 2, "shell line", '["sh", "-c", "a | b"]'),
    (A + "command = []\n", "agents.a.command", 2, "no program", "program"),
    (A + 'command = ["", "x"]\n', "agents.a.command", 2, "no program", ""),
    (A + 'command = ["x", 3]\n', "agents.a.command", 2, "not a list of strings", ""),
    (A + 'command = ["x\\u0000"]\n', "agents.a.command", 2, "NUL", ""),
    (A + 'command = ["{pyton}"]\n', "agents.a.command", 2, "{pyton}", "Did you mean {python}?"),
    (GOOD + "timeout = 0\n", "agents.a.timeout", 3, "0 is no duration", '"none"'),
    (GOOD + "timeout = -5\n", "agents.a.timeout", 3, "negative", ""),
    (GOOD + 'timeout = "-5s"\n', "agents.a.timeout", 3, "negative", ""),
    (GOOD + "timeout = true\n", "agents.a.timeout", 3, "no duration", ""),
    (GOOD + "timeout = nan\n", "agents.a.timeout", 3, "not a number", ""),
    (GOOD + "timeout = inf\n", "agents.a.timeout", 3, "ten years", ""),
    (GOOD + "timeout = 1e999\n", "agents.a.timeout", 3, "ten years", ""),
    (GOOD + "timeout = 99999999999999999999\n", "agents.a.timeout", 3, "ten years", ""),
    (GOOD + 'timeout = "2 fortnights"\n', "agents.a.timeout", 3, "2 fortnights", '"1h30m"'),
    (GOOD + 'timeout = "1m1h"\n', "agents.a.timeout", 3, "large to small", ""),
    (GOOD + "timeout = []\n", "agents.a.timeout", 3, "list is no duration", ""),
    (GOOD + 'stop_grace = "none"\n', "agents.a.stop_grace", 3, "without a limit", ""),
    (GOOD + 'autostart = "yes"\n', "agents.a.autostart", 3, '"yes"', "true or false"),
    (GOOD + "autostart = 1\n", "agents.a.autostart", 3, "1", "true or false"),
    (GOOD + 'restart = "on-falure"\n', "agents.a.restart", 3, "on-falure", '"on-failure"?'),
    (GOOD + 'stop_signal = "TREM"\n', "agents.a.stop_signal", 3, "TREM", '"TERM"?'),
    (GOOD + "stop_signal = 15\n", "agents.a.stop_signal", 3, "15", "TERM"),
    (GOOD + 'stop_signal = "STOP"\n', "agents.a.stop_signal", 3, "unknown signal", "TERM"),
    (GOOD + 'checkpoint = "../x"\n', "agents.a.checkpoint", 3, "out of the run directory", ""),
    (GOOD + 'checkpoint = "/etc/x"\n', "agents.a.checkpoint", 3, "out of the run directory", ""),
    (GOOD + 'checkpoint = "progress.json"\n', "agents.a.checkpoint", 3, "protocol", ""),
    (GOOD + 'checkpoint = ""\n', "agents.a.checkpoint", 3, "not a file name", ""),
    (GOOD + 'env = { "1X" = "v" }\n', "agents.a.env.1X", 3, "not a variable's name", ""),
    (GOOD + 'env = { "A B" = "v" }\n', 'agents.a.env."A B"', 3, "not a variable's name", ""),
    (GOOD + "env = { X = 3 }\n", "agents.a.env.X", 3, "not a string", 'in quotes: "3"'),
    (GOOD + "env = { X = true }\n", "agents.a.env.X", 3, "not a string", 'in quotes: "true"'),
    (GOOD + 'env = { LONGWATCH_EPOCH = "3" }\n', "agents.a.env.LONGWATCH_EPOCH", 3,
     "Longwatch itself sets", ""),
    (GOOD + 'env_pass = ["A=B"]\n', "agents.a.env_pass[0]", 3, "not a variable's name", ""),
    (GOOD + 'env_pass = "A"\n', "agents.a.env_pass", 3, '"A"', "a list"),
    (GOOD + 'cwd = ""\n', "agents.a.cwd", 3, '""', "at least one"),
    (GOOD + "retry = 5\n", "agents.a.retry", 3, "5", "a table"),
    (GOOD + "retry = { max_retries = -1 }\n", "agents.a.retry.max_retries", 3, "-1", "0 or more"),
    (GOOD + "retry = { max_retries = 2.5 }\n", "agents.a.retry.max_retries", 3, "2.5", "whole"),
    (GOOD + "retry = { max_retries = true }\n", "agents.a.retry.max_retries", 3, "true", "whole"),
    (GOOD + "retry = { max_retries = 9999999999 }\n", "agents.a.retry.max_retries", 3,
     "9999999999", "at most"),
    (GOOD + "[agents.a.retry]\nbase_delay_seconds = true\n", "agents.a.retry.base_delay_seconds",
     4, "no duration", ""),
    (GOOD + "[agents.a.retry]\nbase_delay_seconds = 60\n", "agents.a.retry.max_delay_seconds",
     3, "less than base_delay_seconds", "Raise max_delay_seconds"),
    (GOOD + "[agents.a.retry]\njitter_fraction = 1.5\n", "agents.a.retry.jitter_fraction", 4,
     "1.5", "at most 1"),
    (GOOD + "[agents.a.retry]\nexponential_base = 0.5\n", "agents.a.retry.exponential_base", 4,
     "0.5", "1 or more"),
    (GOOD + "[agents.a.retry]\nexponential_base = nan\n", "agents.a.retry.exponential_base", 4,
     "nan", "finite"),
    (GOOD + "[agents.a.retry]\nmax_delay = 3\n", "agents.a.retry.max_delay", 4, "max_delay",
     '"max_delay_seconds"'),
    ("agents = 3\n", "agents", 1, "3", "[agents.NAME]"),
    ("[agents]\na = 3\n", "agents.a", 2, "3", "a table"),
    ("defaults = 3\n" + GOOD, "defaults", 1, "3", "a table"),
    (GOOD + '[notify]\nurls = "x"\n', "notify.urls", 4, '"x"', "a list"),
    (GOOD + '[notify]\nurl = ["x"]\n', "notify.url", 4, "url", '"urls"'),
    (GOOD + "[hosts.h]\n", "hosts.h.address", 3, "missing", ""),
    (GOOD + '[hosts.h]\naddress = "-oProxyCommand=x"\n', "hosts.h.address", 4, "", ""),
    (GOOD + "[pipelines.p]\n", "pipelines.p.stages", 3, "missing", ""),
    (GOOD + '[pipelines.p]\nstages = [{name="s", agent="b"}]\n', "pipelines.p.stages[0].agent",
     4, 'no agent "b"', ""),
    (GOOD + '[pipelines.p]\nstages = [{name="s", agent="a"}, {name="s", agent="a"}]\n',
     "pipelines.p.stages[1].name", 4, "a second time", ""),
    (GOOD + '[pipelines.p]\nstages = [{name="s", agent="a", workers=0}]\n',
     "pipelines.p.stages[0].workers", 4, "0", "1 or more"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "line", "found", "told"), BAD_ROWS)
def test_a_bad_row_is_one_error_that_names_file_line_key_found_and_what_to_do(
    tmp_path: Path, text: str, key: str, line: int, found: str, told: str
) -> None:
    errors = errors_of(tmp_path, text)
    about = [error for error in errors if error.key == key]
    assert len(about) == 1, [str(error) for error in errors]
    shown = str(about[0])
    assert shown.startswith(f"{tmp_path}/config.toml:{line}: {key}: ")
    assert found in shown and told in shown
    assert shown.isprintable()


BAD_NAMES = [
    ("../../x", "path"),
    ("", "empty"),
    ("a\\u0000b", "control"),
    ("x" * 10_000, "10000 characters"),
    ("-rf", "option"),
    ("a\\nb", "control"),
    ("\\uFF0E\\uFF0E", "ASCII"),
    ("$(id)", "'$'"),
    (".hidden", "starts with"),
    ("a b", "' '"),
    ("..", "starts with"),
]


@pytest.mark.parametrize(("name", "reason"), BAD_NAMES)
def test_a_bad_agent_name_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    errors = errors_of(tmp_path, f'[agents."{name}"]\ncommand = ["true"]\n')
    assert len(errors) == 1
    assert reason in str(errors[0]) and errors[0].line == 1
    assert len(str(errors[0])) < 700 and str(errors[0]).isprintable()


def test_two_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, GOOD + '[agents.A]\ncommand = ["true"]\n')
    assert [(error.key, error.line) for error in errors] == [("agents.A", 3)]


@pytest.mark.parametrize("name", ["a", "0", "license-audit", "a.b_c-d", "x" * 64])
def test_a_good_agent_name_is_taken(tmp_path: Path, name: str) -> None:
    assert agent_of(tmp_path, f'[agents."{name}"]\ncommand = ["true"]\n', name).name == name


WHOLE_FILE_ROWS = [
    (b"[agents.a\ncommand = 1\n", 1, "not valid TOML"),
    (b'[agents.a]\ncommand = ["x"\n', 2, "not valid TOML"),
    (b"[agents.a]\n[agents.a]\n", 2, "only once"),
    (b"[agents.a]\ncwd = 'x'\ncwd = 'y'\n", 3, "only once"),
    (b"x = \xff\n", 1, "0xff"),
    (b"\xef\xbb\xbf[agents]\n", 1, "byte order mark"),
    ("[agents]\n".encode("utf-16"), 1, "UTF-16"),
    (b"x = " + b"[" * 100_000, None, "nested"),
    (b"x = " + b"9" * 5_000, None, "too large"),
    (b"#" * (1024 * 1024 + 1), None, "bytes"),
    (b"\0" * 100, 1, "not valid TOML"),
]


@pytest.mark.parametrize(("content", "line", "found"), WHOLE_FILE_ROWS)
def test_a_file_that_is_no_toml_is_one_error_with_its_place(
    tmp_path: Path, content: bytes, line: int | None, found: str
) -> None:
    errors = errors_of(tmp_path, content)
    assert len(errors) == 1
    assert found in str(errors[0]) and errors[0].line == line
    assert len(str(errors[0])) < 500


def test_a_fifo_in_place_of_the_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml")
    _, problems = check_config(Project.find(tmp_path))
    assert "not a regular file" in str(next(iter(problems)))


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path, GOOD)
    project.config_file.chmod(0o666)
    with pytest.raises(ConfigError, match="everybody may write"):
        load_config(project)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longwatch init"):
        load_config(Project(tmp_path))


def test_every_error_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
        nonsense = 1
        [defaults]
        timeout = "soon"
        [agents.a]
        command = "x y"
        stop_grace = 0
        [agents."../b"]
        command = ["x", 3]
        [agents.c.retry]
        base_delay_seconds = 60
        max_retries = -1
        max_delay_seconds = 5
        """
    with pytest.raises(ConfigError) as raised:
        load_config(project_of(tmp_path, text))
    lines = [int(problem.split(":")[1]) for problem in raised.value.problems]
    # Line 10 twice: the missing command, and line 13 the bound that needs two keys.
    assert lines == sorted(lines)
    assert set(lines) == {2, 4, 6, 7, 8, 9, 10, 12, 13}


def test_the_first_error_raises_when_the_collector_is_told_so() -> None:
    problems = Problems(first_raises=True)
    problems.report(Problem(file="f", key="k", found="x", severity="warning"))
    with pytest.raises(ConfigError):
        problems.report(Problem(file="f", key="k", found="x"))


def test_control_characters_of_the_file_never_reach_a_message(tmp_path: Path) -> None:
    errors = errors_of(tmp_path, '[agents.a]\ncommand = "\\u001b]52;c;\\u0007\\u202E"\n')
    assert str(errors[0]).isprintable() and "\x1b" not in str(errors[0])


def warnings_of(folder: Path, text: str) -> list[str]:
    project = project_of(folder, text)
    config, problems = check_config(project)
    assert config is not None
    advise(project, config, problems)
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[agents]\n", "no agent"),
        ('[agents.a]\ncommand = ["no-such-program-xyz"]\n', "no program"),
        ('[agents.a]\ncommand = ["./no/such"]\n', "no program"),
        (GOOD + 'cwd = "gone"\n', "no directory"),
        (GOOD + 'env = { API_KEY = "sk-123" }\n', 'env_pass = ["API_KEY"]'),
        (GOOD + 'env = { DB = "pg://u:hunter22@h/d" }\n', 'env_pass = ["DB"]'),
        ('[agents.a]\ncommand = ["true", "sk-ant-api03-0123456789abcdef"]\n', "any process"),
        (GOOD + 'env_pass = ["NO_SUCH_VARIABLE_XYZ"]\n', "not set here"),
        (GOOD + 'timeout = "1m"\nattempt_timeout = "2m"\n', "longer than timeout"),
        (GOOD + '[notify]\nurls = ["mailto://{env:NO_SUCH_VARIABLE}"]\n', "NO_SUCH_VARIABLE"),
    ],
)
def test_what_is_right_but_doubtful_is_a_warning(tmp_path: Path, text: str, said: str) -> None:
    found = warnings_of(tmp_path, text)
    assert len(found) == 1 and said in found[0]


def test_a_secret_that_others_may_read_is_said_and_so_is_a_bad_one_without_its_value(
    tmp_path: Path,
) -> None:
    text = GOOD + 'env = { API_KEY = "sk-123" }\n'
    (tmp_path / "config.toml").touch(mode=0o600)
    assert "others may read" not in warnings_of(tmp_path, text)[0]
    (tmp_path / "config.toml").chmod(0o644)
    assert "others may read" in warnings_of(tmp_path, text)[0]
    errors = errors_of(tmp_path, GOOD + "env = { API_KEY = 12345678 }\n")
    assert len(errors) == 1 and "12345678" not in str(errors[0]) and "API_KEY" in str(errors[0])


def test_a_secret_is_never_repeated_in_a_warning(tmp_path: Path) -> None:
    assert "sk-123" not in warnings_of(tmp_path, GOOD + 'env = { API_KEY = "sk-123" }\n')[0]
