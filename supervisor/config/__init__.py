"""Where things are, what the user configured, and every default with its unit and reason."""
