"""From composed configs to checked jobs: every problem is found before anything loads."""
