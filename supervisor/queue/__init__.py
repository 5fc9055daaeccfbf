"""The contract of a task queue, and the engines behind it that are not SQLite."""
