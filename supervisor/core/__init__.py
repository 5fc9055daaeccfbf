"""Pure decisions: no clock, no I/O, no asyncio, no randomness of its own."""
