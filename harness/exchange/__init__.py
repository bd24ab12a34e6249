"""Exchange of runs with other repositories: sending, receiving, and comparing what each side has."""
