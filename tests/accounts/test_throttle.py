"""Guessing of passwords is slowed down; people with the right one get in."""

import pytest
from django.test import Client
from django.urls import reverse

from readiness.accounts import throttle
from readiness.accounts.models import User

PASSWORD = "an orange piano 7"
ADDRESS = "203.0.113.7"


@pytest.fixture(autouse=True)
def _empty_redis(redis_server):
    """Counts of failures live in Redis."""


def test_is_blocked_after_the_last_allowed_failure():
    for _ in range(throttle.MOST_FAILURES):
        assert not throttle.is_blocked("dora", ADDRESS)
        throttle.note_failure("dora", ADDRESS)
    assert throttle.is_blocked("dora", ADDRESS)


def test_is_blocked_whatever_the_capitals():
    for _ in range(throttle.MOST_FAILURES):
        throttle.note_failure("Dora", ADDRESS)
    assert throttle.is_blocked("dora", ADDRESS)


def test_another_address_is_not_blocked():
    for _ in range(throttle.MOST_FAILURES):
        throttle.note_failure("dora", ADDRESS)
    assert not throttle.is_blocked("dora", "203.0.113.8")


def test_failures_are_forgotten_after_the_window(redis_server):
    throttle.note_failure("dora", ADDRESS)
    (key,) = redis_server.keys("signin:*")
    assert 0 < redis_server.ttl(key) <= throttle.WINDOW_S


def test_later_failures_do_not_lengthen_the_window(redis_server):
    throttle.note_failure("dora", ADDRESS)
    (key,) = redis_server.keys("signin:*")
    redis_server.expire(key, 5)
    throttle.note_failure("dora", ADDRESS)
    assert redis_server.ttl(key) <= 5


def test_no_username_is_readable_in_redis(redis_server):
    throttle.note_failure("my-password-by-mistake", ADDRESS)
    assert not any("mistake" in key for key in redis_server.keys("*"))


@pytest.mark.django_db
def test_blocked_person_is_refused_even_with_the_right_password():
    User.objects.create_user("dora", password=PASSWORD)
    client = Client(REMOTE_ADDR=ADDRESS)
    for _ in range(throttle.MOST_FAILURES):
        throttle.note_failure("dora", ADDRESS)
    page = client.post(reverse("accounts:login"), {"username": "dora", "password": PASSWORD})
    assert page.context["form"].non_field_errors() == [
        "Too many wrong passwords. Wait 15 minutes, or ask a site admin for a new password."
    ]


@pytest.mark.django_db
def test_wrong_password_on_the_page_is_counted(redis_server):
    Client(REMOTE_ADDR=ADDRESS).post(reverse("accounts:login"), {"username": "dora", "password": "x"})
    (key,) = redis_server.keys("signin:*")
    assert redis_server.get(key) == "1"


@pytest.mark.django_db
def test_right_password_forgets_the_failures(redis_server):
    User.objects.create_user("dora", password=PASSWORD)
    throttle.note_failure("dora", ADDRESS)
    client = Client(REMOTE_ADDR=ADDRESS)
    client.post(reverse("accounts:login"), {"username": "dora", "password": PASSWORD})
    assert redis_server.keys("signin:*") == []


@pytest.mark.django_db
def test_people_get_in_while_redis_is_away(monkeypatch):
    from readiness.lib.redis import sync_redis

    User.objects.create_user("dora", password=PASSWORD)
    sync_redis.cache_clear()
    monkeypatch.setattr("django.conf.settings.REDIS_URL", "redis://127.0.0.1:1/0")
    try:
        client = Client(REMOTE_ADDR=ADDRESS)
        response = client.post(reverse("accounts:login"), {"username": "dora", "password": PASSWORD})
    finally:
        sync_redis.cache_clear()
    assert response.status_code == 302
