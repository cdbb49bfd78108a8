"""Toy problems without a world: functions to minimise, data to fit."""
