"""The engine's side of processes: identity, the keeper's client, output, usage."""
