"""For those who write plugins: what a sink is handed, made by hand."""
