"""This machine: SQLite, files, keys on disk."""
