"""What we claim: training, evaluation, comparison, report, command line."""
