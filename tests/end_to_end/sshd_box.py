"""A real sshd on loopback with keys made for it, and the longwatch command behind it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
SSHD = shutil.which("sshd") or next(
    (path for path in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if Path(path).exists()), None
)
LIMIT_S = 20.0


def why_not() -> str:
    """Why there can be no sshd here; empty when there can."""
    if SSHD is None:
        return "sshd is not installed (Debian: openssh-server)"
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        return "ssh is not installed (Debian: openssh-client)"
    return ""


def program(path: Path, package_parent: Path = REPOSITORY) -> Path:
    """A ``longwatch`` that runs the package below that directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parent, python = shlex.quote(str(package_parent)), shlex.quote(sys.executable)
    path.write_text(
        f"#!/bin/sh\nPYTHONPATH={parent}; export PYTHONPATH\n"
        f'exec {python} -P -m supervisor.cli.main "$@"\n'
    )
    path.chmod(0o755)
    return path


class Box:
    """One sshd. ``box`` is its name for ssh; its key is known, ours is authorized."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        program(self.bin / "longwatch")
        for name in ("host_key", "user_key", "other_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
            subprocess.run(command, check=True, timeout=LIMIT_S)
        shutil.copy(directory / "user_key.pub", directory / "authorized_keys")
        self.port = _free_port()
        host_key = (directory / "host_key.pub").read_text()
        (directory / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Accept connections."""
        config = self.directory / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\n"
            f"HostKey {self.directory}/host_key\n"
            f"AuthorizedKeysFile {self.directory}/authorized_keys\n"
            f"PidFile {self.directory}/sshd.pid\n"
            f"SetEnv PATH={self.bin}:/usr/local/bin:/usr/bin:/bin\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "PrintMotd no\nMaxStartups 100\nLogLevel ERROR\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # Where it gives up its rights.
        assert SSHD is not None
        log = (self.directory / "sshd.log").open("ab")
        self._process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        self._until_it_listens()

    def _until_it_listens(self) -> None:
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                said = (self.directory / "sshd.log").read_text()
                assert time.monotonic() < end, f"sshd does not listen: {said}"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Accept no more, and end what is connected."""
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGSTOP)  # No new session while the open ones are ended.
            self.cut()
            self._process = None
            process.kill()
            process.wait(LIMIT_S)

    @property
    def is_up(self) -> bool:
        """Whether it accepts connections."""
        return self._process is not None

    def sessions(self) -> list[psutil.Process]:
        """The sshd processes of open connections."""
        if self._process is None:
            return []
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if "sshd" in _name(child)]

    def cut(self) -> int:
        """Break every open connection as a network does; how many there were."""
        cut = self.sessions()
        for child in cut:
            child.kill()
        return len(cut)

    def ssh_config(self, **changes: str) -> Path:
        """A configuration of ssh that knows ``box``; ``changes`` replace its keywords."""
        known = {
            "HostName": "127.0.0.1",
            "Port": str(self.port),
            "User": getpass.getuser(),
            "IdentityFile": f"{self.directory}/user_key",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f"{self.directory}/known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            **changes,
        }
        path = self.directory / f"ssh_config-{abs(hash(tuple(changes.items()))):x}"
        words = "".join(f"  {name} {value}\n" for name, value in known.items())
        path.write_text(f"Host box box2 gone\n{words}")
        return path

    def environment(self, **changes: str) -> dict[str, str]:
        """What makes longwatch use that configuration."""
        ssh = shlex.join(["ssh", "-F", str(self.ssh_config(**changes))])
        return {**os.environ, "LANG": "C.UTF-8", "LONGWATCH_SSH": ssh}


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
