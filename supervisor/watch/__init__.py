"""Which files of which runs changed: hints, which come fast, and the scan, which is the truth."""
