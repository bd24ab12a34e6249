"""Measuring run times: paired calls on the judge's clock, their statistics, and the lanes that serialise them."""
