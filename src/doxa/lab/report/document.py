"""The whole report: one HTML file that needs no network."""

from __future__ import annotations

import html

from doxa.lab.report.page import Page


def render(page: Page) -> str:
    """Return the page as one self-contained HTML document; equal pages give equal text."""
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(page.title)}</title>\n"
