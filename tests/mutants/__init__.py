"""Does each law's test notice when its law is broken? ``python -m tests.mutants`` (make mutants)."""
