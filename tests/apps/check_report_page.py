#!/usr/bin/env python3
"""Checks a report.html: every element closes in order, ids are unique, nothing is loaded, one script, the sections and figures named.

usage: check_report_page.py FILE [--id ID]... [--no_id ID]... [--text TEXT]... [--evaluation FILE]
  --id     an element with this id is there; a figure with it draws something
  --no_id  none is there
  --text   this text is there, as a reader sees it
  --evaluation  what "evaluate --json --mistakes N" says about the same model and texts: the page has these numbers
Prints what is wrong; exit code 1 if anything is.
"""

import argparse
import html.parser
import json
import re
import sys

VOID = {"meta", "path", "br"}
TAGS = VOID | set("html head title style body a header h1 h2 h3 p ul ol li b span nav main section figure figcaption div svg g text table caption "
                  "thead tr th td details summary pre bdi footer script".split())
MAX_BYTES = 2_000_000


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.faults, self.texts = [], {}, [], []
        self.scripts, self.figures, self.captions, self.stops = 0, {}, 0, []

    def fault(self, what):
        self.faults.append(f"line {self.getpos()[0]}: {what}")

    def handle_starttag(self, tag, attributes, closed=False):
        names = [name for name, _ in attributes]
        if tag not in TAGS:
            self.fault(f"the element {tag}")
        if len(set(names)) != len(names):
            self.fault(f"{tag} has an attribute twice")
        for name, value in attributes:
            if name.startswith("on") or name in ("src", "style", "srcdoc", "action", "formaction"):
                self.fault(f"{tag} has the attribute {name}")
            if name == "href" and not value.startswith("#"):
                self.fault(f"a link to {value}")
            if name == "id":
                if value in self.ids:
                    self.fault(f"the id {value} is there twice")
                self.ids[value] = tag
                if tag == "figure":
                    self.figures[value] = 0
            if name == "data-stops":
                self.stops += value.split("\n") if value else []
        self.scripts += tag == "script"
        self.captions += tag == "caption"
        figures = [value for open_tag, value in self.open if open_tag == "figure"]
        if tag == "path" and figures and figures[-1]:
            self.figures[figures[-1]] += len(dict(attributes).get("d", "")) > 0
        if tag == "svg" and figures and "aria-label" not in names and "aria-hidden" not in names:
            self.fault("a drawing without a description")
        if tag in VOID:
            if not closed:
                self.fault(f"{tag} is not closed")
        else:
            self.open.append((tag, dict(attributes).get("id")))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes, closed=True)
        if tag not in VOID:
            self.fault(f"{tag} is closed at once")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1][0] != tag:
            self.fault(f"</{tag}> closes {self.open[-1][0] if self.open else 'nothing'}")
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1][0] not in ("style", "script"):
            self.texts.append(data)

    def handle_comment(self, data):
        self.fault("a comment")


def compare(text, evaluation):
    """What the page says about the test split, with what evaluate says: a list of the differences."""
    faults = []
    test_column = {name: cells[-1] for name, *cells in re.findall(
        r'<th scope="row">([a-z_0-9]+)</th>\n?<td>([^<]*)</td>\s*<td>([^<]*)</td>\s*<td>([^<]*)</td>', text)}
    for name, value in evaluation["measures"].items():
        # Batches of other sizes have other last bits, which can swap the ranks of two predictions.
        bound = 2e-3 if name == "spearman" else 1e-4
        if name != "loss" and not abs(float(test_column.get(name, "nan")) - value) <= bound:
            faults.append(f"{name} is {test_column.get(name)}, not {value:.4f}")
    if "confusion_matrix" in evaluation:
        table = re.search(r'<table class="confusion">(.*?)</table>', text, re.S).group(1)
        cells = [int(cell.replace(",", "")) for cell in re.findall(r"<td[^>]*>([0-9,]+)</td>", table)]
        if cells != sum(evaluation["confusion_matrix"], []):
            faults.append(f"the confusion matrix is {cells}")
    rows = [int(row) for row in re.findall(r"<h3>Row ([0-9]+): label", text)]
    wrong = [mistake["row"] for mistake in evaluation["mistakes"] if mistake["labels"] != mistake["predictions"]]
    if not rows or rows != wrong[:len(rows)]:
        faults.append(f"the rows of the worst mistakes are {rows}, not {wrong[:len(rows)]}")
    return faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--evaluation")
    parser.add_argument("--id", action="append", default=[])
    parser.add_argument("--no_id", action="append", default=[])
    parser.add_argument("--text", action="append", default=[])
    flags = parser.parse_args()
    data = open(flags.file, "rb").read()
    text = data.decode("utf-8")  # raises if it is not
    page = Page()
    page.feed(text)
    page.close()
    faults = page.faults
    if page.open:
        faults.append(f"{page.open} are open at the end")
    if len(data) > MAX_BYTES:
        faults.append(f"{len(data)} bytes are too many")
    if not text.startswith("<!DOCTYPE html>"):
        faults.append("no document type")
    if page.scripts != 1:
        faults.append(f"{page.scripts} scripts")
    for loaded in ("http", "url(", "@import", "javascript:"):
        if loaded in text:
            faults.append(f"it has {loaded}")
    controls = {c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160}
    if controls:
        faults.append(f"control characters {sorted(map(ord, controls))}")
    for wanted in flags.id:
        if wanted not in page.ids:
            faults.append(f"no element {wanted}")
        elif page.ids[wanted] == "figure" and page.figures[wanted] < 3:
            faults.append(f"the figure {wanted} draws nothing")
    for unwanted in flags.no_id:
        if unwanted in page.ids:
            faults.append(f"an element {unwanted}")
    for stop in page.stops:
        x, y, words = stop.split(" ", 2)
        if not (0 <= float(x) <= 380 and 0 <= float(y) <= 250 and words):
            faults.append(f"the place of a value is outside: {stop}")
    if flags.evaluation:
        faults += compare(text, json.load(open(flags.evaluation, encoding="utf-8")))
    seen = " ".join("".join(page.texts).split())
    for wanted in flags.text:
        if " ".join(wanted.split()) not in seen:
            faults.append(f"no text {wanted!r}")
    print("\n".join(faults[:20]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
