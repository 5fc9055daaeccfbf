"""Hints that a file changed (never the truth) and the scan (the truth)."""
