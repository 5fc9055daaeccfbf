"""The state of external services that all agents of this user on this machine share."""
