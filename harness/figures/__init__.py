"""Charts as values, and as SVG and PNG files."""
