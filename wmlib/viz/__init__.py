"""How results are shown: the style of figures, animations, widgets, and a view into a DNC's memory."""
