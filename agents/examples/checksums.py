"""SHA-256 of every file in a folder, one at a time; asks before it publishes the list."""

import hashlib
import sys
from pathlib import Path

from supervisor.agent import Agent


def listed(folder: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).iterdir())


def sha256_of(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def publish(text: str) -> None:
    Path("SHA256SUMS").write_text(text)


folder = sys.argv[1] if len(sys.argv) > 1 else "docs"
with Agent() as agent:
    agent.stages(["hash", "publish"])
    agent.stage("hash")
    files = agent.step(listed, folder)
    lines = []
    for file in files:
        agent.progress(len(lines), len(files), "files", step=file)
        lines.append(f"{agent.step(sha256_of, file)}  {file}\n")  # never runs twice once done
    text = "".join(lines)

    agent.stage("publish")
    digest = hashlib.sha256(text.encode()).hexdigest()
    action = {"write": "SHA256SUMS", "sha256": digest}  # what exactly a yes allows
    if agent.approve(f"Publish {len(files)} checksums?", action):  # leaves, and comes back here
        agent.step(publish, text)
