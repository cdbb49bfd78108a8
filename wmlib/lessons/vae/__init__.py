"""Lesson 04: the variational autoencoder.

`pipeline` plays episodes, trains VAEs and evaluates them; `arms` says which, `claims` what is judged. `measures` is the
fireball test, `fireballs` says what a fireball costs and how many nats its place takes, `pca` is the linear baseline. `probe`
reads the place off the latents and changes it there, `latent_space` has the other ways. `estimates` makes numbers of the
tallies, `pictures` grids of pictures, and `figures` draws both.
"""
