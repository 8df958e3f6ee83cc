"""The benchmark pages as members, viewers and strangers meet them."""

from datetime import timedelta
from uuid import uuid4

import django_rq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from readiness.evaluations.jobs import QUEUE
from readiness.evaluations.models import CellScore, Run, RunState
from readiness.lib.formats import format_percent
from readiness.lib.statistics import wilson
from readiness.providers.models import ProviderAccount
from tests.builders import make_account, make_dataset, make_deployment, make_prompt_version
from tests.evaluations.support import make_recorded_run, make_run, priced

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

PAGES = ("list", "new", "run", "progress", "answers", "cancel")
POSTS = ("pause", "resume", "cancel", "retry")


def url(name, project, run=None):
    return reverse(f"benchmarks:{name}", args=[project.slug, run.id] if run else [project.slug])


def address(name, run):
    return url(name, run.project, None if name in ("list", "new") else run)


def text_of(response):
    return response.content.decode()


@pytest.fixture
def plan(project):
    """Fields of a valid form."""
    version, prompt, deployment = make_dataset(project), make_prompt_version(project), priced()
    return {
        "name": "Nightly",
        "dataset_version": version.pk,
        "deployments": [deployment.pk],
        "prompt_version": prompt.pk,
        "scorers": ["contains"],
        "trials": 1,
        "budget": "5",
    }


@pytest.fixture
def send(as_user, bob, project):
    """Posts the form as bob."""
    return lambda fields: as_user(bob).post(url("new", project), fields)


@pytest.fixture
def estimated(send):
    """The fields with what the estimate adds: ready to start."""

    def add(fields):
        context = send(fields).context
        return fields | {"token": str(context["token"]), "estimated": context["plan"].fingerprint}

    return add


def done_run(project, **values):
    """A finished run with a score for each cell."""
    run = make_run(project, **values)
    now = timezone.now()
    run.cells.update(state="done", output="10 days", latency_ms=100, finished_at=now)
    CellScore.objects.bulk_create(
        CellScore(cell=cell, scorer="contains", scorer_version="1", status="ok", value=1)
        for cell in run.cells.all()
    )
    Run.objects.filter(pk=run.pk).update(state=RunState.DONE, finished_at=now)
    run.refresh_from_db()
    return run


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_finds_no_page(as_user, charlie, project, name):
    assert as_user(charlie).get(address(name, make_run(project))).status_code == 404


@pytest.mark.parametrize("name", POSTS)
def test_a_stranger_changes_nothing(as_user, charlie, project, name):
    run = make_run(project)
    assert as_user(charlie).post(address(name, run)).status_code == 404
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


@pytest.mark.parametrize("name", ["list", "run", "answers"])
def test_a_viewer_reads(as_user, auditor, project, name):
    assert as_user(auditor).get(address(name, make_run(project))).status_code == 200


@pytest.mark.parametrize("name", [*POSTS, "new"])
def test_a_viewer_changes_nothing(as_user, auditor, project, name):
    run = make_run(project)
    assert as_user(auditor).post(address(name, run)).status_code == 403
    run.refresh_from_db()
    assert (run.state, Run.objects.count()) == (RunState.QUEUED, 1)


def test_a_viewer_is_offered_nothing_to_press(as_user, auditor, project):
    page = text_of(as_user(auditor).get(address("run", make_run(project))))
    assert "Pause" not in page
    assert "Cancel" not in page


@pytest.mark.parametrize("name", ["pause", "resume", "retry"])
def test_a_change_needs_a_post(as_user, bob, project, name):
    assert as_user(bob).get(address(name, make_run(project))).status_code == 405


def test_a_run_of_another_project_is_not_found(as_user, bob, project):
    run = make_run(project)
    Run.objects.update(project=type(project).objects.create(name="Other", slug="other"))
    assert as_user(bob).get(url("run", project, run)).status_code == 404


def test_the_empty_list_says_what_a_benchmark_needs(as_user, bob, project):
    page = text_of(as_user(bob).get(url("list", project)))
    assert "No benchmark yet" in page
    assert url("new", project) in page


def test_the_list_shows_only_runs_in_the_chosen_state(as_user, bob, project):
    make_run(project, name="Waiting")
    done_run(project, name="Finished", deployments=[priced("b")])
    page = text_of(as_user(bob).get(url("list", project), {"state": "done"}))
    assert "Finished" in page
    assert "Waiting" not in page


def test_the_list_asks_no_more_of_the_database_for_more_runs(as_user, bob, project):
    client, counts = as_user(bob), []
    for wanted in (1, 4):
        while Run.objects.count() < wanted:
            make_run(project, deployments=[priced(f"m{Run.objects.count()}")])
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(url("list", project))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_estimate_says_calls_cost_and_precision_before_anything_is_asked(send, plan):
    response = send(plan)
    page = text_of(response)
    assert response.context["estimate"].cells == 3
    assert "3 examples × 1 model × 1 trial" in page
    assert "points" in page
    assert Run.objects.count() == 0


def test_an_unknown_price_is_not_an_estimate_of_nothing(send, plan):
    page = text_of(send(plan | {"deployments": [make_deployment().pk], "budget": ""}))
    assert "unknown<br>" in page
    assert "at most $0" not in page


def test_starting_makes_the_run_and_puts_its_shards_into_the_queue(
    send, plan, estimated, django_capture_on_commit_callbacks, redis_server
):
    with django_capture_on_commit_callbacks(execute=True):
        response = send(estimated(plan))
    run = Run.objects.get()
    assert response.status_code == 303
    assert (run.budget_nanos, run.created_by.username, run.cells.count()) == (5 * 10**9, "bob", 3)
    assert {job.args[0] for job in django_rq.get_queue(QUEUE).jobs} == {str(run.id)}


def test_a_double_click_makes_one_run(send, plan, estimated):
    fields = estimated(plan)
    assert send(fields)["Location"] == send(fields)["Location"]
    assert Run.objects.count() == 1


def test_a_plan_that_changed_after_its_estimate_is_estimated_again(send, plan, estimated):
    response = send(estimated(plan) | {"trials": 3})
    assert Run.objects.count() == 0
    assert response.context["estimate"].cells == 9
    assert "changed the plan" in text_of(response)


def test_a_budget_is_refused_where_nobody_knows_a_price(send, plan, estimated):
    fields = plan | {"deployments": [make_deployment().pk]}
    response = send(estimated(fields))
    assert Run.objects.count() == 0
    assert "budget cannot hold" in text_of(response)


def test_a_key_that_cannot_be_read_is_said_and_not_a_crash(send, plan):
    ProviderAccount.objects.update(credential_encrypted=b"of another installation")
    response = send(plan)
    assert response.status_code == 200
    assert response.context["form"].non_field_errors()


def test_a_prompt_that_fails_on_an_example_is_said_and_not_a_crash(send, plan, project):
    broken = make_prompt_version(project, user="{{ question[0] + 1 }}")
    response = send(plan | {"prompt_version": broken.pk})
    assert "cannot be rendered" in text_of(response)


def test_live_models_need_a_prompt_and_the_judge_scorer_a_judge(send, plan):
    form = send(plan | {"prompt_version": "", "scorers": ["judge"]}).context["form"]
    assert set(form.errors) == {"prompt_version", "judge"}


def test_a_scorer_that_the_data_cannot_feed_is_refused_and_switched_off_with_the_reason(send, plan, project):
    project.datasets.get().versions.get().examples.update(reference="")
    page = text_of(send(plan))
    assert "The examples have no reference answers." in page
    assert 'value="contains"' not in page


def test_a_deployment_of_another_project_cannot_be_chosen(send, plan, project):
    other = type(project).objects.create(name="Other", slug="other")
    theirs = make_deployment(make_account(other))
    assert "deployments" in send(plan | {"deployments": [theirs.pk]}).context["form"].errors


def test_each_model_is_offered_with_its_price_and_quota(as_user, bob, project):
    priced("writer", rpm=600)
    page = text_of(as_user(bob).get(url("new", project)))
    assert "600 RPM" in page
    assert "per million tokens" in page


def test_an_active_run_is_polled_and_a_finished_one_is_not(as_user, bob, project):
    client = as_user(bob)
    assert "every 2s" in text_of(client.get(address("run", make_run(project))))
    assert "every 2s" not in text_of(client.get(address("run", done_run(project, deployments=[priced("b")]))))


def test_progress_reloads_the_page_when_the_run_is_over(as_user, bob, project):
    run = done_run(project)
    response = as_user(bob).get(address("progress", run), headers={"hx-request": "true"})
    assert response["HX-Refresh"] == "true"


def test_progress_without_htmx_leads_to_the_page(as_user, bob, project):
    run = make_run(project)
    assert as_user(bob).get(address("progress", run))["Location"] == address("run", run)


def test_many_failures_make_a_run_incomplete_in_words(as_user, bob, project):
    run = done_run(project)
    run.cells.filter(pk=run.cells.first().pk).update(state="failed")
    assert "does not count as evidence" in text_of(as_user(bob).get(address("run", run)))


def test_the_unreachable_redis_is_said_on_a_run_that_is_not_over(as_user, bob, project, monkeypatch):
    run = make_run(project)
    client = as_user(bob)
    monkeypatch.setattr("readiness.limits.queries.sync_redis", _unreachable)
    assert "Redis does not answer" in text_of(client.get(address("run", run)))


def _unreachable():
    import redis

    return redis.Redis(unix_socket_path="/nonexistent/redis.sock")


def test_pause_resume_and_cancel_do_what_they_say(as_user, bob, project):
    run, client = make_run(project), as_user(bob)
    for name, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        client.post(address(name, run))
        run.refresh_from_db()
        assert run.state == state
    assert "bob" in run.state_reason


def test_cancelling_asks_first(as_user, bob, project):
    run = make_run(project)
    assert "Cancel this run?" in text_of(as_user(bob).get(address("cancel", run)))
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_a_run_at_its_budget_goes_on_only_with_more_money(as_user, bob, project):
    run, client = make_run(project, budget_nanos=10), as_user(bob)
    Run.objects.update(state=RunState.BUDGET_STOPPED)
    client.post(address("resume", run))
    run.refresh_from_db()
    assert run.state == RunState.BUDGET_STOPPED
    client.post(address("resume", run), {"extra": "2.50"})
    run.refresh_from_db()
    assert (run.state, run.budget_nanos) == (RunState.QUEUED, 2_500_000_010)


def test_retrying_makes_failed_cells_pending(as_user, bob, project):
    run = done_run(project)
    run.cells.update(state="failed")
    as_user(bob).post(address("retry", run))
    assert set(run.cells.values_list("state", flat=True)) == {"pending"}


def test_the_comparison_shows_a_rate_with_interval_and_n(as_user, bob, project):
    page = text_of(as_user(bob).get(address("run", done_run(project, examples=10))))
    assert "Contains the reference" in page
    interval = wilson(10, 10)
    assert f"{format_percent(interval.low)} … {format_percent(interval.high)}" in page
    assert "n = 10" in page


def test_a_scorer_that_abstained_everywhere_keeps_its_row(as_user, bob, project):
    run = done_run(project)
    CellScore.objects.update(status="abstain", value=None)
    assert "3 abstained" in text_of(as_user(bob).get(address("run", run)))


def test_no_cost_is_claimed_where_nobody_knows_the_price(as_user, bob, project):
    run = done_run(project, deployments=[make_deployment()])
    page = text_of(as_user(bob).get(address("run", run)))
    assert "Latency, p50" in page
    assert "Cost per request" not in page


def test_answers_stand_side_by_side_with_their_scores_and_label(as_user, bob, project):
    run = done_run(project, deployments=[priced("a"), priced("b")])
    run.cells.update(human_label=True)
    page = text_of(as_user(bob).get(address("answers", run)))
    assert page.count("<article>") == 6
    assert "Human label: <b>hallucinated</b>" in page
    assert "Contains the reference: 1" in page


def test_an_answer_without_a_score_says_that_it_abstained(as_user, bob, project):
    run = done_run(project, examples=1)
    CellScore.objects.update(status="abstain", value=None)
    assert "Contains the reference: Abstained" in text_of(as_user(bob).get(address("answers", run)))


def test_a_models_output_is_text_and_never_markup(as_user, bob, project):
    run = done_run(project, examples=1)
    run.cells.update(output="<script>alert(1)</script>")
    page = text_of(as_user(bob).get(address("answers", run)))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({}, {0, 1, 2}),
        ({"show": "flagged"}, {0, 1}),
        ({"show": "disagree"}, {1}),
        ({"show": "failed"}, {2}),
        ({"show": "labelled"}, {0}),
        ({"stratum": "odd"}, {1}),
        ({"q": "item 2"}, {2}),
        ({"q": "nothing like it"}, set()),
    ],
)
def test_filters_keep_the_examples_they_name(as_user, bob, project, filters, shown):
    run = done_run(project, deployments=[priced("a"), priced("b")])
    both, one = run.cells.filter(example__position=0), run.cells.filter(example__position=1)[:1]
    CellScore.objects.filter(cell__in=[*both, *one]).update(value=0)
    both.filter(deployment__name="a").update(human_label=True)
    run.cells.filter(example__position=2, deployment__name="a").update(state="failed")
    page = as_user(bob).get(address("answers", run), filters).context["page"]
    assert {example.position for example in page.object_list} == shown


def test_a_filter_by_flags_is_empty_where_no_scorer_flags(as_user, bob, project):
    run = done_run(project, scorers=["token_f1"])
    page = as_user(bob).get(address("answers", run), {"show": "disagree"}).context["page"]
    assert list(page.object_list) == []


def test_answers_ask_no_more_of_the_database_for_more_models(as_user, bob, project):
    client, counts = as_user(bob), []
    for names in ("ab", "cdefg"):
        run = done_run(project, deployments=[priced(name) for name in names])
        with CaptureQueriesContext(connection) as queries:
            client.get(address("answers", run))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_recorded_runs_are_labelled_imported(as_user, bob, project):
    assert "Imported" in text_of(as_user(bob).get(address("run", make_recorded_run(project))))


def test_a_link_can_preselect_the_dataset_and_the_scorers_that_fit_it(as_user, bob, project):
    version = make_dataset(project)
    form = as_user(bob).get(url("new", project), {"dataset_version": version.pk}).context["form"]
    assert "contains" in form["scorers"].value()
    assert "judge" not in form["scorers"].value()


def test_time_left_is_estimated_from_the_pace(as_user, bob, project):
    run = make_run(project, examples=4)
    run.cells.filter(pk=run.cells.first().pk).update(state="done")
    Run.objects.update(state=RunState.RUNNING, started_at=timezone.now() - timedelta(seconds=20))
    left = as_user(bob).get(address("run", run)).context["progress"].time_left
    assert timedelta(seconds=59) < left < timedelta(seconds=90)


def test_an_unknown_run_is_not_found(as_user, bob, project):
    assert as_user(bob).get(reverse("benchmarks:run", args=[project.slug, uuid4()])).status_code == 404


def test_screen_readers_hear_of_each_tenth_once(as_user, bob, project):
    run, client = make_run(project), as_user(bob)
    htmx = {"hx-request": "true"}
    first = client.get(address("progress", run), headers=htmx)
    again = client.get(address("progress", run), {"seen": first.context["news"]}, headers=htmx)
    assert first.context["news"] == "Queued, 0 % done"
    assert "hx-swap-oob" in text_of(first)
    assert "hx-swap-oob" not in text_of(again)
