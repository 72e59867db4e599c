"""CLARITY for Python: stream a recording in, read days and results back."""
