"""How it is shown: figures, animations, widgets, the gallery."""
