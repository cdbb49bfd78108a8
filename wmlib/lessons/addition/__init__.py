"""Lesson 03: a DNC learns to add.

`sequences` has the tasks and the curriculum, `recipes` says which network is trained and how. `training` trains one, `measures`
tests it, `memory` examines a trained DNC, and `pipeline` does all three for many networks and caches the results. `estimates`
computes the numbers by which the `claims` are judged and which `figures` draws.
"""
