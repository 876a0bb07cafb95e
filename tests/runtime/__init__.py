"""Keys, arguments, captures, launches."""
