"""The scripts of this folder are importable, and every screen is the same everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tui_fixed import fix_environment

fix_environment()
