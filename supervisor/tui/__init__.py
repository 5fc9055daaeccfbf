"""The terminal interface: a client of the control socket."""
