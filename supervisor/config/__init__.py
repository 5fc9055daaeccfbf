"""Where things are, what the user configured, and every default with its unit and reason.

``paths`` and ``defaults`` are light and may be read by every client. ``load`` brings pydantic
(about 0.1 s): only the engine and the ``config`` and ``run`` verbs may import it.
"""
