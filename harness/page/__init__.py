"""The live page: runs as a browser shows them, while they grow (README.md)."""
