"""Lesson 08: PPO with Random Network Distillation on PixelCopter.

`random_walk` is the tiny first example; `world` the game as the agents see it; `blind` policies that never look; `pipeline`
the runs; `measures` what a policy does, and whether it looks; `estimates` the numbers of verdicts; `figures` the pictures.
"""
