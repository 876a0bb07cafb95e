"""The walk over the user's Python: statements, control flow, variables, and the text of the host function."""
