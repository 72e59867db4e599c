"""One file per proto service, and the translation on both sides."""
