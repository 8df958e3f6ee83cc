"""What moves a fingerprint key, and what does not."""

from datetime import timedelta

import pytest

from readiness.checklist.fingerprints import digest_of, fingerprint_of, limits_digest, model_digest
from readiness.checklist.models import Target
from readiness.projects.models import Project, Tier, TierOverride
from readiness.providers.models import PriceOverride
from tests.builders import make_deployment
from tests.checklist.builders import NOW
from tests.checklist.rows import make_target

TODAY = NOW.date()


def test_digest_does_not_depend_on_the_order_of_keys():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_digest_differs_for_other_values():
    assert digest_of(1, 2) != digest_of(12)


def test_nothing_is_known_of_an_empty_target():
    assert fingerprint_of(Target(), TODAY) == {}


@pytest.mark.django_db
def test_target_gives_every_key_that_it_names(project):
    target = make_target(project, application_version="2.1")

    assert set(fingerprint_of(target, TODAY)) == {"M", "P", "D", "L", "$", "V"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "moves"),
    [
        ("model", "other-model", True),
        ("parameters", {"temperature": 1}, True),
        ("max_output_tokens", 9, True),
        ("name", "Other name", False),
        ("rpm", 7, False),
    ],
)
def test_model_moves_with_what_decides_its_answers(field, value, moves):
    deployment = make_deployment()
    before = model_digest(deployment)
    setattr(deployment, field, value)

    assert (model_digest(deployment) != before) is moves


@pytest.mark.django_db
def test_limits_move_with_quota_and_with_tiers():
    deployment = make_deployment()
    tiers = [Tier(slug="free", weight=1), Tier(slug="pro", weight=4)]
    before = limits_digest(deployment, tiers)

    assert limits_digest(deployment, reversed(tiers)) == before
    assert limits_digest(deployment, [Tier(slug="free", weight=2), tiers[1]]) != before
    deployment.rpm = 7
    assert limits_digest(deployment, tiers) != before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        *(("deployment", unit, 7) for unit in ("tpm", "rpd", "tpd", "itpm", "otpm", "concurrency")),
        ("deployment", "accounting", "anthropic"),
        ("deployment", "window", "sliding"),
        ("deployment", "day_window", "fixed"),
        ("deployment", "zone", "Europe/Berlin"),
        ("deployment", "edge_second", 30),
        ("account", "rpm", 7),
        ("tier", "concurrency", 7),
        ("tier", "share_cap_percent", 7),
        ("tier", "usd_per_month", 7),
        ("tier", "longest_wait_seconds", 7),
    ],
)
def test_limits_move_with_every_unit_and_how_it_is_counted(row, field, value):
    deployment, tier = make_deployment(), Tier(slug="free", weight=1)
    before = limits_digest(deployment, [tier])
    setattr({"deployment": deployment, "account": deployment.account, "tier": tier}[row], field, value)

    assert limits_digest(deployment, [tier]) != before


@pytest.mark.django_db
def test_limits_move_with_the_projects_overrides(project):
    target, tier = make_target(project), Tier.objects.create(slug="new", name="New")
    other = Project.objects.create(name="Other", slug="other")

    def limits():
        return fingerprint_of(target, TODAY)["L"]

    before = limits()
    TierOverride.objects.create(tier=tier, project=other, weight=9)
    TierOverride.objects.create(tier=tier, project=project, end_user="ada", weight=9)
    assert limits() == before
    own = TierOverride.objects.create(tier=tier, project=project, weight=9)
    with_own = limits()
    assert with_own != before
    own.tokens_per_minute = 7
    own.save()
    assert limits() not in {before, with_own}


@pytest.mark.django_db
def test_price_moves_on_the_day_that_a_new_one_takes_effect(project):
    target = make_target(project)
    for unit in ("input_token", "output_token"):
        PriceOverride.objects.create(
            deployment=target.deployment, unit=unit, usd_per_million=1, effective_from=TODAY
        )
    tomorrow = TODAY + timedelta(days=1)
    PriceOverride.objects.create(
        deployment=target.deployment, unit="input_token", usd_per_million=2, effective_from=tomorrow
    )

    def price(day):
        return fingerprint_of(target, day)["$"]

    assert price(TODAY) != price(tomorrow) == price(tomorrow + timedelta(days=9))
