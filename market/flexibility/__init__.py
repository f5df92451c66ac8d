"""What the network operator calls: offers, tenders, activation, baselines and their split over devices."""
