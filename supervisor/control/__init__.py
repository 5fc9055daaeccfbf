"""The control socket: lines of JSON-RPC between the engine and its clients.

Nothing here knows what a call means; the engine registers that. ``sync_client`` is all that a
short-lived command needs, and loads neither asyncio nor pydantic.
"""
