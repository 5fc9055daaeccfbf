"""The JSON Schema of config.toml, for editors: made from the models, never by hand."""

from __future__ import annotations

from typing import Any

from supervisor.config.whole import ConfigTables


def config_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **ConfigTables.model_json_schema(),
        "title": "Longwatch config.toml",
    }
