"""Lesson 03: what a DNC's memory is for, on copying, recalling and adding.

`sequences` has the tasks and the curriculum, `recipes` says which network is trained and how, `accumulator` is the control, and
`contestants` says who is compared with whom. `training` trains one network, `measures` tests it, `memory` examines a trained
DNC, `strips` watches one at work, and `pipeline` does this for many networks and caches the results. `estimates` computes the
numbers by which the `claims` are judged and which `figures` draws; `findings` are those without a verdict.
"""
