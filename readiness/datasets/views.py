"""Pages of datasets: list, import in two steps, versions, examples, deletion."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from readiness.datasets.forms import ExampleFilter, ImportForm, UploadForm
from readiness.datasets.importers.base import ImportRefusedError
from readiness.datasets.importers.examples import read_columns
from readiness.datasets.importers.mapping import FieldMapping, guess
from readiness.datasets.models import Dataset, DatasetVersion
from readiness.datasets.queries import (
    datasets_of,
    find_examples,
    is_used,
    labels_by_model,
    latest_version,
    strata_of,
)
from readiness.datasets.services import DatasetInUseError, delete_dataset, dry_run, import_examples
from readiness.datasets.uploads import NoRoomError, Upload, discard_upload, find_upload, keep_upload
from readiness.lib.marks import cut_at_marks
from readiness.lib.web import see_other, vary_on_htmx, wants_fragment
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Project, Role

PER_PAGE = 25
SECTION = "datasets"

SAMPLE_LINES = """\
{"id": "q1", "question": "How long is the warranty?", "source": "The warranty is two years.", "reference": "Two years"}
{"id": "q2", "question": "Is the case waterproof?", "source": "The case resists splashes.", "reference": "No"}
{"id": "q3", "question": "Who repairs it?", "source": "Any of our shops repairs it.", "reference": "Our shops"}
"""  # noqa: E501 - one line of JSONL is one line


@require_safe
def dataset_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(request, slug)
    context = {
        "project": project,
        "section": SECTION,
        "datasets": datasets_of(project),
        "sample": SAMPLE_LINES,
    }
    return render(request, "datasets/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def new_import(request: HttpRequest, slug: str) -> HttpResponse:
    """Step one: upload. The next page shows what is in the file."""
    project = get_project(request, slug, Role.MEMBER)
    initial = {"dataset": request.GET.get("dataset", "")}
    posted = request.method == "POST"
    form = UploadForm(request.POST if posted else None, request.FILES if posted else None, initial=initial)
    if form.is_valid():
        try:
            token = keep_upload(
                project=project,
                user=current_user(request),
                file=form.cleaned_data["file"],
                dataset_name=form.dataset_name(),
            )
        except NoRoomError as error:
            form.add_error("file", str(error))
        else:
            return see_other(request, reverse("datasets:preview", args=[slug, token]))
    context = {"project": project, "section": SECTION, "form": form, "sample": SAMPLE_LINES}
    return render(request, "datasets/new.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def preview(request: HttpRequest, slug: str, token: str) -> HttpResponse:
    """Step two: the dry run, with the mapping to correct; the button “Import” posts ``action=import``."""
    project = get_project(request, slug, Role.MEMBER)
    upload = find_upload(token, project=project, user=current_user(request))
    if upload is None:
        messages.error(request, "This upload has expired or was imported already. Upload the file again.")
        return see_other(request, reverse("datasets:new", args=[slug]))
    columns = read_columns(upload.path, upload.file_format)
    initial = {"dataset": upload.dataset_name, **guess(columns).columns()}
    data = request.POST if request.method == "POST" else None
    form = ImportForm(data, columns=columns, initial=initial)
    mapping = form.mapping() if form.is_valid() else None
    if mapping and request.POST.get("action") == "import":
        try:
            return _import(request, project, upload, form, mapping)
        except ImportRefusedError as error:
            form.add_error(
                "leave_out_bad_rows", f"{error} Tick this, or correct the file and upload it again."
            )
    result = dry_run(upload.path, upload.file_format, mapping, name=upload.name)
    context = {"project": project, "section": SECTION, "upload": upload, "form": form, "preview": result}
    return render(request, "datasets/preview.html", context)


def _import(
    request: HttpRequest, project: Project, upload: Upload, form: ImportForm, mapping: FieldMapping
) -> HttpResponse:
    result = import_examples(
        project=project,
        dataset_name=form.cleaned_data["dataset"],
        path=upload.path,
        file_format=upload.file_format,
        mapping=mapping,
        name=upload.name,
        leave_out_bad_rows=form.cleaned_data["leave_out_bad_rows"],
        by=current_user(request),
    )
    discard_upload(upload)
    version = result.version
    if result.created:
        left_out = f" Rows with issues left out: {result.left_out:,}." if result.left_out else ""
        messages.success(request, f"Imported {version}: {version.example_count:,} examples.{left_out}")
    else:
        messages.info(request, f"Nothing new: {version} has the same content already.")
    return see_other(request, reverse("datasets:detail", args=[project.slug, version.dataset.slug]))


@require_safe
def dataset_detail(request: HttpRequest, slug: str, dataset_slug: str) -> HttpResponse:
    project = get_project(request, slug)
    dataset = get_object_or_404(Dataset, project=project, slug=dataset_slug)
    newest = latest_version(dataset)
    context = {
        "project": project,
        "section": SECTION,
        "dataset": dataset,
        "versions": dataset.versions.select_related("created_by"),
        "newest": newest,
        "strata": strata_of(newest) if newest else [],
        "labels": labels_by_model(newest) if newest else [],
    }
    return render(request, "datasets/detail.html", context)


def _version(project: Project, dataset_slug: str, number: int) -> DatasetVersion:
    versions = DatasetVersion.objects.select_related("dataset", "created_by")
    return get_object_or_404(versions, dataset__project=project, dataset__slug=dataset_slug, number=number)


@require_safe
def version_detail(request: HttpRequest, slug: str, dataset_slug: str, number: int) -> HttpResponse:
    """The version's examples, searched and filtered; htmx gets the table alone."""
    project = get_project(request, slug)
    version = _version(project, dataset_slug, number)
    form = ExampleFilter(request.GET, version=version)
    examples = find_examples(version, words=form.words(), stratum=form.stratum_name())
    context: dict[str, Any] = {
        "project": project,
        "version": version,
        "page": Paginator(examples, PER_PAGE).get_page(request.GET.get("page")),
    }
    if wants_fragment(request):
        return vary_on_htmx(render(request, "datasets/_examples.html", context))
    context |= {"section": SECTION, "form": form, "labels": labels_by_model(version)}
    return vary_on_htmx(render(request, "datasets/version.html", context))


@require_safe
def example(request: HttpRequest, slug: str, dataset_slug: str, number: int, example_id: int) -> HttpResponse:
    """One example with its recorded outputs, human-marked spans shown in their place."""
    project = get_project(request, slug)
    version = _version(project, dataset_slug, number)
    found = get_object_or_404(version.examples, pk=example_id)
    outputs = [
        (row, cut_at_marks(row.text, [(s["start"], s["end"], s.get("kind", "")) for s in row.spans]))
        for row in found.recorded_outputs.order_by("model", "trial")
    ]
    context = {
        "project": project,
        "section": SECTION,
        "version": version,
        "example": found,
        "outputs": outputs,
        "previous": version.examples.filter(position__lt=found.position).order_by("-position").first(),
        "next": version.examples.filter(position__gt=found.position).order_by("position").first(),
    }
    return render(request, "datasets/example.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, slug: str, dataset_slug: str) -> HttpResponse:
    """Asks first; a dataset that a run uses stays."""
    project = get_project(request, slug, Role.MEMBER)
    dataset = get_object_or_404(Dataset, project=project, slug=dataset_slug)
    back = reverse("datasets:detail", args=[slug, dataset_slug])
    if request.method != "POST":
        context = {"project": project, "section": SECTION, "dataset": dataset, "used": is_used(dataset)}
        return render(request, "datasets/delete.html", context)
    try:
        delete_dataset(dataset=dataset, by=current_user(request))
    except DatasetInUseError as error:
        messages.error(request, str(error))
        return see_other(request, back)
    messages.success(request, f"Deleted the dataset “{dataset.name}” with everything in it.")
    return see_other(request, reverse("datasets:list", args=[slug]))
