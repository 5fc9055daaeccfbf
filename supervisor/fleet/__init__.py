"""What several machines share: one log of commands, and a replica of its outcome on each."""
