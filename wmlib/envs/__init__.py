"""Worlds to act in, with Gymnasium's interface; importing this package registers them as `wmlib/NAME-v0`."""

import gymnasium

gymnasium.register("wmlib/TakeCover-v0", entry_point="wmlib.envs.take_cover:TakeCover")
