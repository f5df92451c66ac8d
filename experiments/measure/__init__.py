"""Measures the package itself: speed, mechanisms, forecasts; judges no policy."""
