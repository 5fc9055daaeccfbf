"""The contract with agents: the files they write, read safely and checked."""
