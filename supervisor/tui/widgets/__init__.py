"""Widgets: each shows a slice of the picture; none awaits the engine or imports the app."""
