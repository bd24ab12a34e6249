"""How a run time is measured: paired calls on the judge's clock, the statistics over them, and the lanes they hold."""
