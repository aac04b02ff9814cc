"""`python -m bench …` from a checkout: the same as `denoisebench …`."""

from denoisebench.__main__ import main

main()
