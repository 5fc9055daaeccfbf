"""The parent of every agent and of the engine: spawn, reap, kill, deadline.

Standard library only.
"""
