"""Addresses of pages that the checklist's data names."""

from django.urls import NoReverseMatch, reverse


def page_path(name: str, *arguments: object) -> str:
    """The path of a page; empty where this version has no page of that name: no button leads nowhere."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
