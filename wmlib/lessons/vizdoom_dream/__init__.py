"""Lesson 05: the ViZDoom dream.

`pipeline` encodes episodes and trains world models, `search` finds their learning rates, `measures` says how well they predict.
`controllers` evolves controllers in their dreams and puts agents together, `games` lets agents play the real game. `blind`
finds the best player that ignores fireballs, `closed_loop` asks what agents lose without fireballs in their frames or without
memory, `rounds` lets them learn from their own games, with the evolution of `robust`. `pictures` makes strips and films of
games and dreams, `estimates` makes numbers of all outcomes, `figures` draws these, `claims` are the rules that judge them.
"""
