"""Checks of configurations before any job starts: each yields problems, a line each."""
