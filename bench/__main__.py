"""`python -m bench …` from a checkout: the same as `denoisebench …`."""

from denoisebench.__main__ import main

if __name__ == "__main__":
    main()
