"""The way in: ``python -I -S -E <package>/keeper <state dir> <engine argv…>``.

Makes ``supervisor`` importable and nothing else of ours: the directory above the package goes to
the *end* of the path, so that no file in it can stand in for a module of the standard library.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WRONG_USE = 2


def main() -> int:
    """Run a keeper until it is told to leave; its exit status."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != HERE]
    sys.path.append(os.path.dirname(os.path.dirname(HERE)))
    if sys.argv[1:] == ["--check"]:
        from supervisor.keeper import loop

        return 0 if callable(loop.keep) else WRONG_USE
    if len(sys.argv) < 3:
        sys.stderr.write("use: python -I -S -E <package>/keeper <state dir> <engine argv…>\n")
        return WRONG_USE
    from supervisor.keeper.loop import keep

    return keep(os.path.abspath(sys.argv[1]), sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
