"""Sweeps: many configurations of one way to learn, each trained and scored on validation; knows no way to learn."""
