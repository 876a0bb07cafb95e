"""The seam between the compiler and its backends."""
