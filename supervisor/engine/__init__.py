"""The asyncio shell round the pure core."""
