"""A run as tools of the Model Context Protocol, for coding agents (README.md)."""
