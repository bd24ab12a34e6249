"""Documents made of runs: the report of one, the comparison of several, and the texts they are written as."""
