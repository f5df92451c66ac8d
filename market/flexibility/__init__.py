"""What the network operator calls: offers, activation, baselines, and their split over devices; knows no episode."""
