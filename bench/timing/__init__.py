"""Latency, the calibration beside it, and energy."""
