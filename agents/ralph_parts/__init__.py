"""The parts of ``agents/ralph.py``: plain modules beside it, no import name of their own."""
