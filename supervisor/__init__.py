"""Longwatch: a terminal supervisor for long-running local agents.

The package root imports nothing: the keeper and every agent process pay for it.
"""

__version__ = "0.1.0"
