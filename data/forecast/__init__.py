"""Forecasts from past data only."""
