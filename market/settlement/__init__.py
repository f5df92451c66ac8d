"""Who owes what for an interval, each line summing to zero over all parties; knows no agent kind."""
