"""A page parsed, and texts that attack one."""

from html.parser import HTMLParser

ATTACKS = ("</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 191 }}")


class Page(HTMLParser):
    """Elements with attributes, and the text of every script."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words, self._tag = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._tag = tag
        if tag == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())
