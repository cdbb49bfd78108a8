"""What learns to act: CMA-ES, dreams, the agents of World Models. Plain arguments only, so that each can be lifted out."""
