"""Doom: the engine as a process, Take Cover as an environment, and scripted players of it."""
