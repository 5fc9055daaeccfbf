"""Run in a mount namespace of its own, on a small file system that it fills: ``full_disk.py ROOM``.

Ends with 0 when the engine went on, said that it cannot store, and stored everything afterwards.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fault_project import FaultProject


def main() -> None:
    """Fill, look, empty, look."""
    room = Path(sys.argv[1])
    tempfile.tempdir = str(room)
    project = FaultProject(parent=room)
    script = "i=0; while [ ! -e healed ]; do i=$((i+1)); sleep 0.05; done"
    (project.directory / "config.toml").write_text(
        f'[agents.agent]\ncommand = ["sh", "-c", "{script}"]\nautostart = true\n'
        '[agents.late]\ncommand = ["true"]\n'
    )
    try:
        project.run("up")
        project.wait_for("agent", "running")
        engine = project.holders()["engine"]
        ballast = room / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

        def storage() -> str:
            found = project.ask("hello", client="t", protocol=1)
            return str(found["engine"]["storage"]) if found else "ok"

        client = project.begin("start", "late")
        project.wait("the engine to say so", lambda: storage() != "ok", 20.0)
        assert project.agent_pids(), "the agent was lost"
        ballast.unlink()
        project.wait("storing again", lambda: storage() == "ok", 20.0)
        client.communicate(timeout=20)
        (project.directory / "healed").touch()
        project.wait_for("agent", "succeeded")
        project.wait_for("late", "succeeded")
        assert project.holders()["engine"] == engine, "another engine"
    finally:
        project.end()


if __name__ == "__main__":
    main()
