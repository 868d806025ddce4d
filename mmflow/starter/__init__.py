"""The files that ``mmflow init`` writes: one site, one job that runs at once on the simulated plant."""
