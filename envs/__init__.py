"""The market interval: scenario, state, core, and the views on it."""
