"""Studies: methods x tasks x seeds at equal budgets, and what they show."""
