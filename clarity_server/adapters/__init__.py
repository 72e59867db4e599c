"""The worlds behind the ports."""
