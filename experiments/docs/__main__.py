"""``python -m gridbazaar.experiments.docs`` writes the pages that the code generates."""

from gridbazaar.experiments.docs.pages import main

if __name__ == "__main__":
    main()
