"""The kinds of generative-AI products a project can be, each with use cases to start from."""

from dataclasses import dataclass

from readiness.projects.models import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryPreset:
    """One kind of product. ``use_cases`` are suggestions: a project may name any other."""

    category: Category
    summary: str
    use_cases: tuple[str, ...] = ()


PRESETS: tuple[CategoryPreset, ...] = (
    CategoryPreset(
        category=Category.TEXT,
        summary="Writes, answers, sums up.",
        use_cases=("Writing aid", "Drafts", "Chatbot", "Story ideas", "Summaries"),
    ),
    CategoryPreset(
        category=Category.IMAGE,
        summary="Draws from a description.",
        use_cases=("Avatars", "Artwork", "Marketing images", "Product concepts"),
    ),
    CategoryPreset(
        category=Category.SPEECH, summary="Speaks a text aloud.", use_cases=("Text-to-speech service",)
    ),
    CategoryPreset(
        category=Category.MUSIC,
        summary="Composes music and sounds.",
        use_cases=("Background music", "Ringtones", "Sound effects", "Musical ideas"),
    ),
    CategoryPreset(
        category=Category.VIDEO,
        summary="Makes moving pictures.",
        use_cases=("Training videos", "Marketing videos", "Video templates", "Scenes"),
    ),
    CategoryPreset(
        category=Category.DECISION,
        summary="Learns to act by trying.",
        use_cases=("Games", "Robots", "Machine tuning", "Simulated product tests"),
    ),
    CategoryPreset(
        category=Category.FUTURE,
        summary="Where the field is heading.",
        use_cases=(
            "Analysis",
            "Prediction",
            "Gaming",
            "Automation",
            "Autonomous vehicles",
            "Health",
            "Learning",
            "Explainability",
        ),
    ),
    CategoryPreset(category=Category.CUSTOM, summary="Describe it in your own words."),
)


def preset_of(category: str) -> CategoryPreset | None:
    """The preset of a category's stored value; None for an unknown one."""
    return next((preset for preset in PRESETS if preset.category == category), None)
