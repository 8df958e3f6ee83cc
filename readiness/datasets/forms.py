"""Input about datasets: an upload, the mapping of its columns, the filter of a version's examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from readiness.datasets.importers.files import ENDINGS, format_of
from readiness.datasets.importers.mapping import USUAL_NAMES, FieldMapping
from readiness.datasets.models import DatasetVersion
from readiness.datasets.queries import strata_of
from readiness.datasets.uploads import MAX_UPLOAD_BYTES

NAME_LENGTH = 100
IN_STRATUM = "in:"
"""Before a stratum's name in the filter, so that “without a stratum” and “all” stay apart."""

FIELD_LABELS = {
    "question": ("Question", "What the model is asked."),
    "source": ("Source", "Passages that the answer must rest on."),
    "reference": ("Reference", "The expected answer."),
    "stratum": ("Stratum", "A group that results are also shown for."),
    "id": ("Id", "The example's own id; without one its content makes it."),
}


class UploadForm(forms.Form):
    """Step one: the file."""

    file = forms.FileField(
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"accept": ",".join([*ENDINGS, ".gz"])}),
        help_text="JSONL or CSV in UTF-8, also packed as .gz; at most 50 MB.",
    )
    dataset = forms.CharField(
        max_length=NAME_LENGTH,
        required=False,
        help_text="The name of an existing dataset adds a version to it. Empty: the file's name.",
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        name, size = file.name or "", file.size or 0
        if format_of(name) is None:
            kinds = ", ".join(ENDINGS)
            raise ValidationError(
                f"“{name}” cannot be imported: its name must end in {kinds}, or one with .gz."
            )
        if not size:
            raise ValidationError(f"“{name}” is empty.")
        if size > MAX_UPLOAD_BYTES:
            limit = f"{MAX_UPLOAD_BYTES // 1024**2} MB"
            raise ValidationError(
                f"“{name}” has {size / 1024**2:.0f} MB, more than {limit}. "
                "Pack it as .gz, or import it on the server with manage.py import_dataset."
            )
        return file

    def dataset_name(self) -> str:
        """The name that was typed, or the file's name without its endings."""
        stem = Path(self.cleaned_data["file"].name).name.split(".")[0]
        return self.cleaned_data["dataset"] or stem[:NAME_LENGTH] or "Dataset"


class ImportForm(forms.Form):
    """Step two: the dataset's name, a column for each field, and what to do with bad rows."""

    dataset = forms.CharField(
        max_length=NAME_LENGTH, help_text="The name of an existing dataset adds a version to it."
    )
    leave_out_bad_rows = forms.BooleanField(
        label="Leave out the rows with issues and import the others", required=False
    )

    def __init__(self, *args: Any, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(column, column) for column in columns]
        for name in USUAL_NAMES:
            label, help_text = FIELD_LABELS[name]
            needed = name == "question"
            none = ("", "Choose a column" if needed else "None")
            self.fields[name] = forms.ChoiceField(
                label=label, help_text=help_text, required=needed, choices=[none, *choices]
            )

    def columns_fields(self) -> list[forms.BoundField]:
        """The fields that map columns, for the template."""
        return [self[name] for name in USUAL_NAMES]

    def mapping(self) -> FieldMapping:
        """What was chosen; call it on a valid form."""
        return FieldMapping(**{name: self.cleaned_data[name] for name in USUAL_NAMES})

    def clean(self) -> dict[str, Any]:
        chosen = [name for name in USUAL_NAMES if self.cleaned_data.get(name)]
        for name in chosen:
            earlier = next(other for other in chosen if self.cleaned_data[other] == self.cleaned_data[name])
            if earlier != name:
                label = FIELD_LABELS[earlier][0].lower()
                self.add_error(name, f"This column is already taken for the {label}.")
        return self.cleaned_data


class ExampleFilter(forms.Form):
    """What to show of a version: words that occur, and a stratum."""

    q = forms.CharField(label="Search", required=False, max_length=200)
    stratum = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, version: DatasetVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stratum"] = forms.ChoiceField(
            required=False,
            choices=[
                ("", "All"),
                *(
                    (f"{IN_STRATUM}{part.name}", part.name or "Without a stratum")
                    for part in strata_of(version)
                ),
            ],
        )

    def words(self) -> str:
        return str(self.cleaned_data.get("q", "")) if self.is_valid() else ""

    def stratum_name(self) -> str | None:
        """The stratum to show; None for all."""
        value = str(self.cleaned_data.get("stratum", "")) if self.is_valid() else ""
        return value.removeprefix(IN_STRATUM) if value else None
