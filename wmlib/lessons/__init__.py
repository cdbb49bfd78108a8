"""The lessons: one folder a notebook, with its data, pipeline, measures, estimates and figures.

A lesson imports only lessons before it, in the order of the notebooks; nothing else imports a lesson.
"""

LESSONS = (  # of notebooks 01, 02, ...
    "cma_es_toy",
    "mixture_density",
    "addition",
    "vae",
    "vizdoom_dream",
    "pommerman",
    "neural_computer_agent",
    "rnd_pixelcopter",
)
NEEDS_DOOM = ("04_vae", "05_vizdoom_dream")  # notebooks that need the extra doom
