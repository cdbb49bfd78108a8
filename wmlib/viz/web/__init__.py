"""A dream in one page that opens from the disk: what is in it, `build.py` puts together; what it does is JavaScript beside it."""
