"""Expensive stages that several notebooks share, each made once: above the other packages, below the notebooks."""
