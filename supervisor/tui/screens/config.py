"""The settings of config.toml: what is in force and from where, and changing one of them.

Reads and writes the file of this machine alone, through ``config.listing`` and ``config.edit``, in
a thread. Where the engine runs on another machine it says so and touches nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.suggester import SuggestFromList
from textual.widgets import Input

from supervisor.config.edit import ChangedMeanwhileError, Written, change, set_value
from supervisor.config.listing import FILE, Listing, Setting, list_settings
from supervisor.config.paths import Project
from supervisor.errors import ConfigError, LongwatchError
from supervisor.tui import keys, place_keys, render, setting_rows
from supervisor.tui.messages import CallWanted, WorkWanted
from supervisor.tui.render import line
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.theme import ASK, BAD, DONE, MUTED, STRONG, TEXT
from supervisor.tui.widgets.lines import Lines

REFRESH_S = 2.0
"""How often it is looked whether somebody else wrote the file; one stat."""


class ConfigScreen(PlaceScreen):
    """The list of settings, the marked one in full, a field to change it."""

    CSS_PATH = "config.tcss"
    SCOPE = place_keys.SETTINGS
    BINDINGS = keys.bindings(SCOPE)
    AUTO_FOCUS = ""
    REFRESH_S = REFRESH_S

    def __init__(self) -> None:
        super().__init__()
        self._listing: Listing | None = None
        self._seen: tuple[int, ...] = ()
        """Of the file that was listed: inode, size and time."""
        self._drawn: tuple[Any, ...] = ()
        self._words = ""
        self._is_all = False
        self._edited: Setting | None = None
        self._edited_sha256 = ""
        """Of the file as it was when the field was opened: nobody overwrites what he never saw."""
        self._refusal = ""
        """What to say before what somebody else changed."""
        self._fault = ""
        """Why the value in the field cannot be."""
        self._is_ours = False
        """What is read next is what was just written here: no news."""
        self._detail = Lines(id="detail-lines")
        self._find = Input(placeholder="find: part of a name, or of what it means", id="find")
        self._field = Input(id="field")

    def body(self) -> ComposeResult:
        """List, the marked setting, fields."""
        yield self._list
        yield self._detail
        yield self._find
        yield self._field

    # -- reading --------------------------------------------------------------------------------

    def _elsewhere(self) -> str:
        """The machine whose file it would be, where that is another one."""
        names = [host.name for host in self._picture.hosts]
        return ", ".join(names) or self._picture.host

    def load(self) -> None:
        """Read the file anew when it is another one than was read."""
        directory = self._picture.engine.directory
        if self._elsewhere() or not directory:
            self.draw()
            return
        seen, overruled = self._seen, _overruled()

        def work() -> tuple[tuple[int, ...], Listing] | None:
            project = Project.find(Path(directory))
            now = _seen(project.config_file)
            return None if now == seen else (now, list_settings(project, overruled))

        self.post_message(WorkWanted(work, self._take, self._failed))

    def _take(self, found: tuple[tuple[int, ...], Listing] | None) -> None:
        if found is None or not self.is_mounted:
            self._is_ours = False
            return
        before, (self._seen, self._listing) = self._listing, found
        self.draw()
        is_news, self._is_ours = not self._is_ours, False
        if is_news and before is not None and before.sha256 != self._listing.sha256:
            self._tell_changes(before, self._listing)

    def _tell_changes(self, before: Listing, after: Listing) -> None:
        """Somebody else wrote it: what is other now."""
        changes = setting_rows.differences(before, after)
        if changes:
            more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
            self.say((self._refusal, BAD), (f" config.toml was changed: {changes[0]}{more}", ASK))
        elif self._refusal:
            self.say((self._refusal, BAD), (" config.toml was changed meanwhile", ASK))
        self._refusal = ""

    def _failed(self, error: LongwatchError) -> None:
        if self.is_mounted:
            self.refused(" ".join(str(error).split()))

    # -- drawing --------------------------------------------------------------------------------

    def draw(self) -> None:
        """Head, list and detail."""
        listing, there = self._listing, self._elsewhere()
        if there:
            self._draw_elsewhere(there)
            return
        if listing is None:
            self._head.set_content(line((" settings", STRONG)))
            self._list.fill([("", line(("  reading config.toml …", MUTED)))])
            return
        self._draw_head(listing)
        drawn = (listing, self._words, self._is_all, self.size.width)
        if drawn != self._drawn:
            self._drawn = drawn
            settings = setting_rows.shown(listing, self._words, is_all=self._is_all)
            quiet = self._is_all or bool(self._words)
            rows = list(setting_rows.rows(settings, listing, self.size.width, quiet))
            self._list.fill(rows or [("", line(("  no setting fits", MUTED)))])
        self._draw_detail()

    def _draw_elsewhere(self, there: str) -> None:
        name = render.clean(there, 80)
        self._head.set_content(line((" settings", STRONG), (f"   of {name}", ASK)))
        told = (
            f"The settings in force are in the config.toml of {name}.",
            "From here they are read only: nothing changes the file of another machine.",
            "There: longwatch in the project's directory, then C; or an editor.",
            "Its engine notices a change of the file and applies it.",
        )
        self._list.fill([("", line((f"  {text}", MUTED))) for text in told])

    def _draw_head(self, listing: Listing) -> None:
        written = sum(setting.source == FILE for setting in listing.settings)
        parts = [
            (" settings", STRONG),
            ("   config.toml", TEXT),
            (f"   {render.plural(written, 'key')} written", MUTED),
        ]
        if self._words:
            parts.append((f"   with {render.clean(self._words, 40)!r}", ASK))
        if listing.problems:
            parts.append((f"   ✗ {render.clean(listing.problems[0], 200)}", BAD))
        self._head.set_content(line(*parts))

    def marked(self) -> Setting | None:
        """The setting under the mark."""
        found = self._listing.settings if self._listing else ()
        chosen = self._list.chosen
        return next((one for one in found if setting_rows.dotted(one) == chosen), None)

    def _draw_detail(self) -> None:
        setting, listing = self.marked(), self._listing
        width = max(30, self._detail.size.width - 2)
        told = setting_rows.detail(setting, listing, width) if setting and listing else []
        if self._fault:
            fault = line((f"✗ {render.clean(self._fault, 600)}", BAD))
            told = [*told[:1], *render.wrap(fault, width), *told[1:]]
        self._detail.set_lines(told)
        self._detail.refresh()

    def on_pick_list_chosen(self) -> None:
        """Another one is marked."""
        self._draw_detail()

    # -- actions --------------------------------------------------------------------------------

    def action_all(self) -> None:
        """Every key, or the usual ones."""
        self._is_all = not self._is_all
        self.draw()

    def action_find(self) -> None:
        """Open the search."""
        self._find.display = True
        self._find.focus()

    def action_edit(self) -> None:
        """Open the field with what stands there now."""
        setting = self.marked()
        if setting is None:
            return
        if not setting.is_editable:
            self.say((f" {setting_rows.dotted(setting)} is changed in an editor", ASK))
            return
        self._edited = setting
        self._edited_sha256 = self._listing.sha256 if self._listing else ""
        choices = [word.strip() for word in setting.allowed.split("|")]
        self._field.suggester = SuggestFromList(choices) if len(choices) > 1 else None
        self._field.placeholder = setting.allowed
        self._field.value = setting.typed
        self._field.cursor_position = len(setting.typed)
        self._field.display = True
        self._field.focus()
        self.say((f" {setting_rows.dotted(setting)}: ", STRONG), (setting.allowed, MUTED))

    def action_reset(self) -> None:
        """Take the marked one out of the file."""
        setting = self.marked()
        if setting is None or setting.source != FILE:
            self.say((" it is not written in config.toml: its default counts already", MUTED))
        elif not setting.is_editable:
            self.say((f" {setting_rows.dotted(setting)} is changed in an editor", ASK))
        else:
            self._edited_sha256 = self._listing.sha256 if self._listing else ""
            self._write(setting, lambda project: self._taken_out(project, setting))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for it, or write it."""
        text, self._fault = event.value.strip(), ""
        if event.input is self._find:
            self._words = text
            self._close_inputs()
            self.draw()
        elif self._edited is not None and text:
            setting, sha256 = self._edited, self._edited_sha256
            self._write(
                setting, lambda project: set_value(project, setting.key, text, expected=sha256)
            )

    def _taken_out(self, project: Project, setting: Setting) -> Written:
        return change(project, setting.key, None, expected=self._edited_sha256)

    def _write(self, setting: Setting, do: Callable[[Project], Written]) -> None:
        directory = self._picture.engine.directory

        def work() -> Written:
            return do(Project.find(Path(directory)))

        def written(found: Written) -> None:
            self._written(setting, found)

        self.post_message(WorkWanted(work, written, self._not_written))

    def _written(self, setting: Setting, written: Written) -> None:
        if not self.is_mounted:
            return
        self._close_inputs()
        name = setting_rows.dotted(setting)
        self._is_ours = True
        self.load()
        when = setting.takes.partition(",")[0]
        done = f" ✓ {name} is written, counts {when}   before: {written.backup.name}"

        self.say((done, DONE))

        def not_taken(words: str) -> None:
            if self.is_mounted:
                words = render.clean(words, 200)
                self.say((f" ✓ {name} is written", DONE), (f"   ✗ the engine: {words}", BAD))

        self.post_message(CallWanted("reload", lambda _said: None, not_taken))

    def _not_written(self, error: LongwatchError) -> None:
        """Beside the field, which stays open; a file that changed is shown anew."""
        if not self.is_mounted:
            return
        if isinstance(error, ChangedMeanwhileError):
            self._close_inputs()
            self._refusal = " ✗ nothing was written:"
            self.load()
        elif isinstance(error, ConfigError):
            name = ".".join(self._edited.key) if self._edited else ""
            self._fault = _short(error, name)
            self._draw_detail()
            self.say((" ✗ not written", BAD))
        else:
            self._failed(error)

    def _close_inputs(self) -> None:
        self._find.display = self._field.display = False
        self._edited, self._fault = None, ""
        self.set_focus(None)
        self._draw_detail()

    def action_back(self) -> None:
        """Close a field, then what is looked for, then the screen."""
        if self._find.display or self._field.display:
            self._close_inputs()
            self.say()
        elif self._words:
            self._words, self._find.value = "", ""
            self.draw()
        else:
            self.dismiss()


def _overruled() -> dict[str, str]:
    """What the environment decides in place of the file."""
    return {"tui.theme": "NO_COLOR is set"} if "NO_COLOR" in os.environ else {}


def _seen(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _short(error: ConfigError, name: str) -> str:
    """The first problem without the place: the field stands right there."""
    first = error.problems[0] if error.problems else str(error)
    return first.partition(f"{name}: ")[2] or first
