"""Wear, sleep, circadian rhythm and activity: numpy in, named results out."""
