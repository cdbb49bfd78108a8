"""Lesson 03: a DNC learns to add.

`sequences` has the tasks and the curriculum, `recipes` says which network is trained and how. `training` trains one, `measures`
judges it, `memory` looks inside a trained DNC, and `pipeline` does all three for many networks and keeps the results. `claims`
are judged by the numbers that `estimates` makes of these, and `figures` draws them.
"""
