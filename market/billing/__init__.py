"""Bills: what a metered series owes under a tariff design; pure functions that know nothing of agents or markets."""
