"""Parts of the conversion from `tile` to `tl`."""
