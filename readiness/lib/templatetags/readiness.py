"""Template filters that every page may use without loading them."""

from django import template

from readiness.lib.money import format_usd

register = template.Library()
register.filter("usd", format_usd)
