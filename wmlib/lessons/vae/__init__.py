"""Lesson 04: the variational autoencoder.

`pipeline` plays episodes, trains VAEs and evaluates them; `measures` is the fireball test, `pca` the linear baseline and
`latent_space` the ways through the latents. `estimates` makes numbers of the tallies, `pictures` grids of pictures, and
`figures` draws both.
"""
