"""CLARITY's server: recordings in, days and insights out."""
