"""Makes a policy in a folder from which a run can go on; never sees a test episode, knows no report."""
