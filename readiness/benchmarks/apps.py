from django.apps import AppConfig


class BenchmarksConfig(AppConfig):
    name = "readiness.benchmarks"
    label = "benchmarks"
