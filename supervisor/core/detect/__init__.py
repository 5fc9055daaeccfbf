"""Anomaly detectors: what is unusual about a run that works, from looks at it every few seconds."""
