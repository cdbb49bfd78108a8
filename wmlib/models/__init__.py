"""What learns the world: recurrent cores, mixtures, VAE, world model. Plain arguments only, so that each can be lifted out."""
