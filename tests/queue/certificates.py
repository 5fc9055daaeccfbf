"""Certificates for the tests, made with openssl: authorities, and what they sign."""

from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=20)


def authority(directory: Path, name: str) -> Path:
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", 2, "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key",
        "-out", directory / f"{name}.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    return directory / f"{name}.pem"


def signed(directory: Path, name: str, ca: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 of the authority called ``ca``, and its key."""
    key, asked, cert = (directory / f"{name}.{end}" for end in ("key", "csr", "pem"))
    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", f"/CN={name}", "-keyout", key, "-out", asked,
    )  # fmt: skip
    names = directory / "names"
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", asked, "-CA", directory / f"{ca}.pem", "-CAkey",
        directory / f"{ca}.key", "-days", 2, "-CAcreateserial", "-extfile", names, "-out", cert,
    )  # fmt: skip
    return cert, key
