"""How a run is made: settings, seeds, the cache, checkpoints, results, statistics, progress.

Start at `run.Run`: it is what a notebook holds. Nothing here knows of any model or environment.
"""
