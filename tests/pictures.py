"""What the tests of the documentation's pictures share: a script that is loaded, and a document that is read."""

import importlib.util
import sys
from html.parser import HTMLParser


def loaded(file):
    """A script as a module, without what it puts on the path."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


class Read(HTMLParser):
    """What a document says, and of which tags, attributes and links it is made."""

    def __init__(self, document):
        super().__init__()
        self.said, self.tags, self.attributes, self.links = "", set(), set(), []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.said += data

    def handle_comment(self, data):
        self.tags.add("!--")
