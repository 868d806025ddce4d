"""The service over HTTP: one client for each key, and what its answers and refusals mean."""
