"""Devices that kinds are made of: batteries, cars, homes, how they age and fail, what they hold back."""
