"""What an agent says with its exit status; the numbers are those of sysexits.h.

``core.classify`` decides what follows.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
USAGE: Final = 64
DATA_ERROR: Final = 65
NO_INPUT: Final = 66
NO_USER: Final = 67
NO_HOST: Final = 68
UNAVAILABLE: Final = 69
SOFTWARE: Final = 70
OS_ERROR: Final = 71
OS_FILE: Final = 72
CANNOT_CREATE: Final = 73
IO_ERROR: Final = 74
TEMPFAIL: Final = 75
"""With an open request: parked. Otherwise: try again later."""
PROTOCOL: Final = 76
NO_PERMISSION: Final = 77
CONFIG: Final = 78

PERMANENT: Final = frozenset({*range(USAGE, OS_ERROR), *range(PROTOCOL, CONFIG + 1)})
"""Trying again cannot help. 71 to 74 are troubles of the machine, which may pass."""
