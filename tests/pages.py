"""What an HTML page says, without its markup."""

import html.parser


class Page(html.parser.HTMLParser):
    """What a page refers to, its identifiers, the cells of its tables, how many drawings it holds, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.tables: list[list[str]] = []
        self.drawings = 0
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.sources += [found["src"] or ""] if "src" in found else []
        self.links += [found["href"] or ""] if "href" in found else []
        self.ids += [found["id"] or ""] if "id" in found else []
        self.drawings += tag == "svg"
        self.tables += [[]] if tag == "table" else []
        if tag in {"td", "th"}:
            self.tables[-1].append("")
            self.in_cell = True
        assert tag not in {"script", "link", "iframe"}

    def handle_endtag(self, tag: str) -> None:
        self.in_cell &= tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.in_cell:
            self.tables[-1][-1] += data
