"""From Python to `tile`."""
