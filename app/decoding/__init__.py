"""Decoding, whole or not at all, and no more of it than has to be (docs/adr/0003-libvips.md)."""
