"""What can be known of a series ahead, from its past alone; knows no future value and draws nothing."""
