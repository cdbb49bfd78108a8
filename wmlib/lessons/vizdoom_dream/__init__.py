"""Lesson 05: the ViZDoom dream.

`pipeline` encodes episodes and trains world models, `measures` says how well these predict. `controllers` evolves controllers
in their dreams and puts agents together, `games` lets agents play the real game. `blind` finds the best player that ignores
fireballs, `closed_loop` asks what agents lose without sight or memory. `pictures` makes strips and films of games and dreams,
`estimates` makes numbers of all outcomes, `figures` draws these.
"""
