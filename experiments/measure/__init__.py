"""What is measured of the package itself: speed, mechanisms, forecasts."""
