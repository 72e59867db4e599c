"""The process: wiring, the boundary, identity, running."""
