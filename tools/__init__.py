"""What developers run and nobody installs: the writing of everything that is generated."""
