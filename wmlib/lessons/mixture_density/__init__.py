"""Lesson 02: a mixture density network.

`problems` has two questions with several right answers and their exact densities, `regressor` the network and its training,
`pipeline` fits it many times, `estimates` makes numbers of the fits, `figures` draws these.
"""
