"""Ships config.toml and agents/ as data of the package, for ``longwatch init --demo``.

pyproject.toml holds everything else. ``agents/`` stays a folder of plain programs at the top of
the checkout and never becomes an import name; an editable install reads it from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


class BuildWithDemo(build_py):
    """The usual build, then the demo project below ``supervisor/bundled``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "supervisor" / "bundled"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(ROOT / "agents", target / "agents", ignore=LEFT_OUT)
        shutil.copyfile(ROOT / "config.toml", target / "config.toml")


setup(cmdclass={"build_py": BuildWithDemo})
