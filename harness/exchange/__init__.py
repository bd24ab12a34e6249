"""Runs exchanged with other repositories: sent, received, and what each side holds."""
