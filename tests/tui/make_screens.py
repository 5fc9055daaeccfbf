"""Draw every scene for the documentation: ``python tests/tui/make_screens.py [directory]``.

Writes one SVG a scene, ``README.md`` and ``index.html`` with all of them beside each other, and
``contact.png`` of that page where a Chromium is on PATH.
"""

from __future__ import annotations

import asyncio
import html
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tui_fixed import fix_environment

fix_environment()

from scenes import PICTURE_SIZE, SCENES, Scene, draw  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLUMNS = 3
CELL_PX = (520, 372)
"""Width of a picture on the contact sheet, and height with its title and sentence."""
MARGIN_PX = 80
STYLE = f"""
body {{ margin: 24px; background: #0b0e13; color: #d6dce5; font: 14px/1.4 sans-serif; }}
main {{ display: grid; grid-template-columns: repeat({COLUMNS}, {CELL_PX[0] - 16}px); gap: 16px; }}
figure {{ margin: 0; }} img {{ width: 100%; display: block; }} figcaption {{ color: #8792a2; }}
b {{ color: #d6dce5; }}
"""


def markdown(scenes: tuple[Scene, ...]) -> str:
    """The sheet for a forge."""
    lines = [
        "# Every screen",
        "",
        "Drawn by `make screens` from `tests/tui/scenes.py`, on a scripted engine.",
        "All of them on one page: `index.html`, `contact.png`. The tests compare each at three",
        "sizes with `tests/tui/__snapshots__`. After a change that is meant, and a merge that",
        "touched a screen: `make snapshots screens`; in a conflict take either side first.",
    ]
    for scene in scenes:
        lines += ["", f"## {scene.name}", scene.shows, "", f"![{scene.name}]({scene.name}.svg)"]
    return "\n".join(lines) + "\n"


def page(scenes: tuple[Scene, ...]) -> str:
    """The sheet for a browser."""
    figures = "\n".join(
        f"<figure><figcaption><b>{scene.name}</b> {html.escape(scene.shows)}</figcaption>"
        f'<img src="{scene.name}.svg" alt="{scene.name}"></figure>'
        for scene in scenes
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Longwatch: every screen'
        f"</title><style>{STYLE}</style><main>\n{figures}\n</main></html>\n"
    )


def photograph(directory: Path, count: int) -> bool:
    """``contact.png`` of the page; False where no browser can take it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    rows = -(-count // COLUMNS)
    width, height = CELL_PX[0] * COLUMNS + MARGIN_PX // 2, CELL_PX[1] * rows + MARGIN_PX
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--window-size={width},{height}", f"--screenshot={directory / 'contact.png'}",
         (directory / "index.html").resolve().as_uri()],
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode == 0 and (directory / "contact.png").is_file()


async def main() -> None:
    """Draw them all; pictures of scenes that are gone go too."""
    here = Path(__file__).parents[2] / "docs" / "screens"
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.svg"):
        old.unlink()
    for scene in SCENES:
        (directory / f"{scene.name}.svg").write_text(await draw(scene, PICTURE_SIZE))
    (directory / "README.md").write_text(markdown(SCENES))
    (directory / "index.html").write_text(page(SCENES))
    if not photograph(directory, len(SCENES)):
        print("no Chromium on PATH: contact.png was not made")


if __name__ == "__main__":
    asyncio.run(main())
