"""A dream in one page that opens from the disk: `build.py` puts it together; what it does is the JavaScript beside it."""
