"""Lists of items that are packed into bins of one capacity: where they come from, and what a packing is worth."""
