"""How a run is made: profiles, seeds, checkpoints, cached artifacts, results, statistics, progress, the runner.

Start at `run.Run`: it is what a notebook holds. Nothing here knows of any model or environment.
"""
