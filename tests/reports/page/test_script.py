from denoisebench.reports.page.html import page_script

MOST_LINES = 600  # of code that is written by hand, or the page needs a library


def test_the_script_of_the_page_stays_small():
    lines = [line.strip() for line in page_script().splitlines()]
    code = [line for line in lines if line and not line.startswith(("//", "/*", "*"))]
    assert 400 < len(code) <= MOST_LINES
