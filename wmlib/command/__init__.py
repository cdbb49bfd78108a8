"""The command line: running notebooks, the gallery, the claims table, the cache."""
