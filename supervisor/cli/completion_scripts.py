"""Makes the completion scripts that are shipped: ``python -m supervisor.cli.completion_scripts``.

bash and zsh come from shtab, fish (which shtab does not know) from here; all three ask
``longwatch completion names`` for what changes. Only the maker needs shtab: the scripts lie in
the package, so that printing one costs nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from supervisor.cli.parsers import PROGRAM, whole_parser

DIRECTORY = Path(__file__).parent / "completions"
NAMES = frozenset({"NAME", "RUN", "AGENT"})
"""Metavars of what an agent or a run is named by."""
FILES = frozenset({"FILE", "file"})
_ASK = """{function}() {{
  local words i
  words=(completion {kind})
  for (( i=1; i < ${{#COMP_WORDS[@]}}; i++ )); do
    [[ ${{COMP_WORDS[i]}} == -C ]] && words=(-C "${{COMP_WORDS[i+1]}}" "${{words[@]}}")
  done
  compgen -W "$(longwatch "${{words[@]}}" 2>/dev/null)" -- "$1"
}}
"""
_ASK_ZSH = """{function}() {{
  local -a found asked
  local at=${{words[(i)-C]}}
  (( at < ${{#words}} )) && asked=(-C ${{words[at+1]}})
  found=(${{(f)"$(longwatch $asked completion {kind} 2>/dev/null)"}})
  compadd -a found
}}
"""
KINDS = ("names", "questions")


def scripts() -> dict[str, str]:
    """File name to content, of all three."""
    import shtab

    parser = whole_parser()
    _tell_what_completes(parser)
    made = {
        f"{PROGRAM}.bash": shtab.complete(parser, "bash", preamble=_preamble(_ASK)),
        f"{PROGRAM}.zsh": _sourced(shtab.complete(parser, "zsh", preamble=_preamble(_ASK_ZSH))),
        f"{PROGRAM}.fish": fish(parser),
    }
    return {
        name: "\n".join(map(str.rstrip, text.splitlines())) + "\n" for name, text in made.items()
    }


def _sourced(script: str) -> str:
    """``source`` registers it as ``eval`` does: shtab knows of the second alone."""
    known = "[[ $zsh_eval_context[-1] == eval ]]"
    assert known in script, "shtab ends its scripts in another way now"
    return script.replace(known, "[[ $zsh_eval_context[-1] == (eval|file) ]]")


def _preamble(template: str) -> str:
    functions = [template.format(function=f"_longwatch_{kind}", kind=kind) for kind in KINDS]
    return "\n".join(functions)


def _tell_what_completes(parser: argparse.ArgumentParser) -> None:
    """shtab's ``.complete`` on every action whose values can be listed."""
    import shtab

    for action in _actions_everywhere(parser):
        kind = kind_of(action)
        complete: Any = None
        if kind in KINDS:
            complete = {"bash": f"_longwatch_{kind}", "zsh": f"_longwatch_{kind}"}
        elif kind == "files":
            complete = shtab.FILE
        elif kind == "directories":
            complete = shtab.DIRECTORY
        if complete is not None:
            action.complete = complete  # type: ignore[attr-defined]  # shtab's API


def kind_of(action: argparse.Action) -> str:
    """What its values are: ``names``, ``questions``, ``files``, ``directories`` or nothing."""
    word = str(action.metavar or action.dest)
    if word in NAMES:
        return "names"
    if word == "DIR":
        return "directories"
    if word in FILES or action.dest == "edit":
        return "files"
    return "questions" if word == "ID" else ""


def _actions_everywhere(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = list(parser._actions)
    for below in _verbs(parser).values():
        found += below._actions
    return found


def _verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


# -- fish ---------------------------------------------------------------------------------------


def fish(parser: argparse.ArgumentParser) -> str:
    """The script for fish."""
    lines = [
        "# Made by: make completions",
        f"complete -c {PROGRAM} -f",
        "function __longwatch_ask",
        "    set -l words (commandline -opc)",
        "    set -l at (contains -i -- -C $words)",
        f"    and set -l where -C $words[(math $at + 1)]; and {PROGRAM} $where completion $argv "
        "2>/dev/null",
        f"    or {PROGRAM} completion $argv 2>/dev/null",
        "end",
    ]
    verbs = _verbs(parser)
    summaries = _summaries(parser)
    for name in verbs:
        lines.append(_fish("__fish_use_subcommand", f"-a {name} -d {_quoted(summaries[name])}"))
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            lines.append(_fish("__fish_use_subcommand", _fish_option(action)))
    for name, below in verbs.items():
        seen = f"__fish_seen_subcommand_from {name}"
        for action in below._actions:
            if action.option_strings and action.help != argparse.SUPPRESS:
                lines.append(_fish(seen, _fish_option(action)))
            elif values := _fish_values(action):
                lines.append(_fish(seen, values))
    return "\n".join(lines) + "\n"


def _summaries(parser: argparse.ArgumentParser) -> dict[str, str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {one.dest: one.help or "" for one in action._choices_actions}
    return {}


def _fish(condition: str, rest: str) -> str:
    return f"complete -c {PROGRAM} -n {_quoted(condition)} {rest}"


def _fish_option(action: argparse.Action) -> str:
    parts = []
    for option in action.option_strings:
        parts.append(f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}")
    if action.nargs != 0:
        parts.append("-r")
        parts += filter(None, [_fish_values(action)])
    if action.help:
        parts.append(f"-d {_quoted(action.help)}")
    return " ".join(parts)


def _fish_values(action: argparse.Action) -> str:
    kind = kind_of(action)
    if action.choices is not None and not isinstance(action.choices, dict):
        return f"-a {_quoted(' '.join(map(str, action.choices)))}"
    if kind in KINDS:
        return f"-a {_quoted(f'(__longwatch_ask {kind})')}"
    given: dict[str, str] = {
        "files": "-F", "directories": f"-a {_quoted('(__fish_complete_directories)')}"
    }  # fmt: skip
    return given.get(kind, "")


def _quoted(text: str) -> str:
    """A fish word in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


if __name__ == "__main__":
    for _name, _text in scripts().items():
        (DIRECTORY / _name).write_text(_text, encoding="utf-8")
